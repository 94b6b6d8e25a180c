from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rondo.handbook.people import team_facts
from rondo.handbook.search import LONGEST, SHOWN, SearchFacts, begins_a_word, search_facts
from rondo.language.words import Language
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.alerting import Finding, settle
from rondo.records.deployment import Deployment
from rondo.records.development import Version
from rondo.records.tables import TableVersion

NOW = datetime(2024, 2, 20, 12, tzinfo=UTC)
EN, KO = Language("en", "UTC"), Language("ko", "UTC")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, long_shop_files: Mapping[str, str]) -> Workplace:
    root: Path = tmp_path_factory.mktemp("search") / "shop"
    people = '[people.mia]\nname = "Mia Kim"\ncontact = "mia@example.com"\nrole = "data engineer"\n'
    for name, text in {**long_shop_files, "reports/weekly.md": "# Week\n", "docs/plan.md": "# The plan\n"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + (people if name == "rondo.toml" else ""), encoding="utf-8")
    work = open_workplace(root, by="test")
    table = TableVersion(
        name="loads", version=1, stage="table", definition="d", build="b", path="p", delta=0, rows=1,
        columns={"shop": "VARCHAR", "load": "DOUBLE"},
    )  # fmt: skip
    versions = (
        Version(name="late", version=number, definition="d", build="b", dataset=1, trainer="lightgbm", parameters={},
                seed=0, files={}, pinned={}, why="due")
        for number in range(1, 13)
    )  # fmt: skip
    [alert] = settle([Finding(model="late", rule="drift", about="load", summary="load has moved")], [], [], NOW)
    work.store.ledger.append(table, *versions, alert, by="test", at=NOW)
    return work


def found(facts: SearchFacts) -> dict[str, list[str]]:
    return {group.kind: [hit.name for hit in group.hits] for group in facts.groups}


def test_names_and_what_is_said_of_them_whole_names_first(work: Workplace) -> None:
    hits = found(search_facts(work, "load", EN))
    assert hits["tables"][0] == "loads" and "loads_raw" in hits["tables"]
    assert "loads.load" in hits["columns"] and "loads.load" in hits["features"]
    assert len(hits["alerts"]) == 1, "by its summary"
    assert found(search_facts(work, "shops", EN))["tables"][0] == "shops"
    assert found(search_facts(work, "busy shop", EN)) == {"tables": ["loads"]}, "all words of its summary"


def test_every_sort_leads_to_its_page(work: Workplace) -> None:
    for query, kind, address in (
        ("plan", "documents", "/docs/plan"),
        ("weekly", "reports", "/reports/weekly"),
        ("mia@example", "people", "/team#mia"),
        ("data engineer", "people", "/team#mia"),
        ("late", "models", "/models/late"),
        ("handbook", "pages", "/handbook"),
    ):
        [group] = [each for each in search_facts(work, query, EN).groups if each.kind == kind]
        assert address in {hit.address for hit in group.hits}, query


def test_korean_words_find_pages_and_questions_whatever_the_reader_s_language(work: Workplace) -> None:
    for words in (EN, KO):
        assert [hit.address for group in search_facts(work, "테이블", words).groups if group.kind == "pages" for hit in group.hits] == ["/tables"]  # fmt: skip
        questions = [group for group in search_facts(work, "계보", words).groups if group.kind == "questions"]
        assert questions and questions[0].hits[0].address.startswith("/handbook#q")
    assert found(search_facts(work, "테이블", KO))["pages"] == ["테이블"]


def test_what_is_named_whole_is_gone_to(work: Workplace) -> None:
    alert = search_facts(work, "load has moved", EN).groups[0].hits[0]
    assert search_facts(work, alert.name, EN).straight == alert.address
    assert search_facts(work, "late@12", EN).straight == "/models/late/12"
    for nothing in ("late@13", "late@x", "late", "0198c0de-0000-7000-8000-000000000000"):
        assert search_facts(work, nothing, EN).straight is None, nothing


def test_a_crowd_is_counted_and_its_first_ones_shown(work: Workplace) -> None:
    [group] = [each for each in search_facts(work, "late@", EN).groups if each.kind == "versions"]
    assert (len(group.hits), group.found) == (SHOWN, 12)
    assert group.hits[0].name == "late@12", "newest first"


def test_all_of_a_crowd_are_there_for_the_asking(work: Workplace) -> None:
    [group] = [each for each in search_facts(work, "late@", EN, whole=True).groups if each.kind == "versions"]
    assert len(group.hits) == group.found == 12


def test_words_are_found_by_how_they_begin(work: Workplace) -> None:
    for part, text in (
        ("pat", "path"),
        ("speed", "wind_speed"),
        ("12", "late@12"),
        ("롤백", "자동롤백"),
        ("v1", "v12"),
    ):
        assert begins_a_word(part, text), (part, text)
    for part, text in (("at", "path"), ("peed", "wind_speed"), ("oad", "loads load"), ("2", "late@12")):
        assert not begins_a_word(part, text), (part, text)
    assert "loads" not in found(search_facts(work, "oad", EN)).get("tables", [])


def test_columns_and_features_lead_to_the_column_of_their_table(work: Workplace) -> None:
    groups = {group.kind: group.hits for group in search_facts(work, "loads.load", EN).groups}
    assert groups["columns"][0].address == groups["features"][0].address == "/tables/loads?column=load"


def test_a_person_is_found_by_what_they_own(work: Workplace) -> None:
    owned = [thing.name for person in team_facts(work, EN).people for thing in person.owns]
    [mia] = [each for each in search_facts(work, "mia@example", EN).groups if each.kind == "people"]
    assert [name for name, _ in mia.hits[0].owns] == owned
    for name in owned:
        assert "Mia Kim" in found(search_facts(work, name, EN))["people"]


def test_a_roll_back_is_found_where_its_button_stands(work: Workplace) -> None:
    assert "actions" not in found(search_facts(work, "rollback", EN)), "nothing is in production"
    at = NOW + timedelta(days=1)
    for number in (11, 12):
        record = Deployment(name="late", version=number, role="production", share=1.0, because="test")
        work.store.ledger.append(record, by="test", at=at + timedelta(hours=number))
    for query in ("rollback", "롤백"):
        [group] = [each for each in search_facts(work, query, KO).groups if each.kind == "actions"]
        assert {hit.address for hit in group.hits} == {"/live/late", "/models/late/12"}, query


def test_nothing_asked_finds_nothing(work: Workplace) -> None:
    assert search_facts(work, " \t", EN) == SearchFacts("")
    assert not search_facts(work, "zzzz", EN).groups


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=300))
def test_no_query_breaks_it_and_each_hit_bears_all_words(work: Workplace, query: str) -> None:
    facts = search_facts(work, query, KO)
    assert len(facts.query) <= LONGEST
    for group in facts.groups:
        assert group.found >= len(group.hits) > 0
        for hit in group.hits:
            text = f"{hit.name} {hit.about} {hit.also}".casefold()
            assert all(begins_a_word(word, text) for word in facts.query.casefold().split())
