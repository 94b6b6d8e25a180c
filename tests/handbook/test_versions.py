"""Facts of models, versions and comparisons, composed from the records of a real project with two versions."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from rondo.console.looking import frame_of
from rondo.deploy.rollout import promote, rollback
from rondo.errors import NotFound, RondoError, WrongUse
from rondo.handbook.compared import compared_facts
from rondo.handbook.models import models_facts
from rondo.handbook.versions import shown_version, version_facts, version_named
from rondo.loop.comparing import compare_whole
from rondo.loop.judging import evaluate
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.pages.compare import compare_page
from rondo.pages.models import models_page
from rondo.pages.version import version_page
from rondo.records.development import Comparison, Evaluation, Figure, PairedFigure, Version
from rondo.records.running import Replayed, ReplayedMonth
from rondo.records.versions import model_version
from rondo.store.until import LedgerUntil


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, long_shop_files: Mapping[str, str]) -> Path:
    """late@1 in production, and late@2 trained two weeks later with fewer trees."""
    root = tmp_path_factory.mktemp("versions") / "shop"
    for later in (False, True):
        for name, text in long_shop_files.items():
            if name.endswith("_2.csv") == later:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
        run(open_workplace(root))
        declared = root / "models/late.py"
        declared.write_text(declared.read_text().replace("num_iterations=20", "num_iterations=8"))
    run(open_workplace(root))
    return root


@pytest.fixture
def work(trained: Path, tmp_path: Path) -> Workplace:
    """A copy of it."""
    shutil.copytree(trained, tmp_path / "shop")
    return open_workplace(tmp_path / "shop")


def looked(work: Workplace) -> Workplace:
    """The same for reading only, as a page sees it."""
    return open_workplace(work.project.root, readonly=True)


def newest(work: Workplace) -> int:
    entry = work.store.ledger.latest(Version, name="late")
    assert entry is not None
    return entry.record.version


def test_a_version_is_told_by_its_own_records(work: Workplace) -> None:
    number = newest(work)
    found = version_facts(looked(work), "late", number)
    ledger = work.store.ledger
    evaluation = ledger.latest(Evaluation, name="late", version=number)
    assert found.evaluation == evaluation.record
    assert found.figure == evaluation.record.metrics["roc_auc"]
    assert found.whole == f"late@{number}" and found.newest == number and found.first == 1
    assert found.curves is not None and found.curves.roc is not None
    assert [each.chosen for each in found.candidates].count(True) == 1 and found.candidates[0].chosen
    origins = {each.name: each.origin for each in found.features}
    assert origins == {"distance": "input", "hour": "derived", "loads.load": "looked up", "shops.size": "looked up"}
    assert all(each.current for each in found.features)
    assert found.declared is not None and found.declared.same and found.declared.code.startswith("late = rd.Model(")
    assert {line.what for line in found.history} >= {"versions", "evaluations", "gates", "rehearsals"}
    assert [line.at for line in found.history] == sorted((line.at for line in found.history), reverse=True)


def test_slices_bear_simultaneous_intervals_that_are_wider(work: Workplace) -> None:
    found = version_facts(looked(work), "late")
    alone = {part.is_: part.metrics["roc_auc"] for part in found.evaluation.slices}
    assert {each.is_ for each in found.slices} == {"A", "B", "C"} == set(alone)
    for each in found.slices:
        assert each.low < alone[each.is_].low <= each.value <= alone[each.is_].high < each.high


def test_the_declaration_of_an_older_version_has_changed_since(work: Workplace) -> None:
    assert version_facts(looked(work), "late", 1).declared.same is False


def test_no_name_means_production_and_a_name_may_be_a_role_or_a_number(work: Workplace) -> None:
    look = looked(work)
    number = shown_version(look, "late")
    assert version_facts(look, "late").at_work[0].role == "production"
    assert version_named(look, "late", "production").number == number
    assert version_named(look, "late", "1").number == 1
    with pytest.raises(NotFound, match="late@1"):
        version_named(look, "late", "99")
    with pytest.raises(WrongUse):
        version_named(look, "late", "yesterday or so")
    with pytest.raises(NotFound, match="late"):
        version_facts(look, "early")


def test_stretches_and_the_way_back_are_those_of_the_ledger(work: Workplace) -> None:
    number, first = newest(work), shown_version(work, "late")
    other = number if first != number else 1
    promote(work.store, work.project, "late", other, "production", because="try", by="ann", now=work.now())
    found = version_facts(looked(work), "late", other)
    assert (found.production, found.back_to) == (f"late@{other}", f"late@{first}")
    assert found.at_work[0].because == "try"
    made = rollback(work.store, work.project, "late", because="worse", by="ann", now=work.now())
    assert model_version("late", made.record.version) == found.back_to
    after = version_facts(looked(work), "late", other)
    assert after.at_work == () and after.stretches[-1].until is not None


def test_a_comparison_stands_on_both_pages_with_its_sign_turned(work: Workplace) -> None:
    number = newest(work)
    made = compare_whole(work, ("late", number), ("late", 1), "march")
    here = next(e for e in version_facts(looked(work), "late", number).comparisons if e.testset == "march")
    there = next(e for e in version_facts(looked(work), "late", 1).comparisons if e.testset == "march")
    figure = made.metrics["roc_auc"]
    assert here.figure.difference == figure.difference == -there.figure.difference
    assert (there.figure.low, there.figure.high) == (-figure.high, -figure.low)
    assert here.better is None or here.better is not there.better


def test_compared_either_way_round_from_one_record(work: Workplace) -> None:
    number = newest(work)
    made = compare_whole(work, ("late", number), ("late", 1), "march")
    there = compared_facts(looked(work), f"late@{number}", "late@1", "march")
    back = compared_facts(looked(work), "late@1", f"late@{number}", "march")
    assert there.comparison == made and there.comparison.days
    assert back.comparison.split is None and back.comparison.a == "late@1"
    assert back.comparison.metrics["roc_auc"].difference == -made.metrics["roc_auc"].difference
    assert [(day.a, day.b) for day in back.comparison.days] == [(day.b, day.a) for day in made.days]
    assert sum(day.rows for day in made.days) == made.rows
    assert there.command == f"rondo compare late@{number} late@1 --on march"


def test_what_was_never_compared_is_offered_and_what_differs_is_told(work: Workplace) -> None:
    found = compared_facts(looked(work), "late@1", f"late@{newest(work)}", "march")
    assert found.comparison is None
    parameters = next(each for each in found.differs if each.what == "parameters")
    assert "num_iterations = 20" in parameters.a and "num_iterations = 8" in parameters.b
    assert not set(parameters.a) & set(parameters.b)
    assert next(each for each in found.differs if each.what == "features").same == 4


def replayed(work: Workplace, number: int) -> None:
    """A replay of March of which both versions' answers were compared."""
    at = datetime(2024, 3, 31, tzinfo=UTC)
    figure = PairedFigure(a=0.8, b=0.7, difference=0.1, low=0.05, high=0.15, n=40)
    made = Comparison(
        name="late",
        a=f"late@{number}",
        b="late@1",
        testset="2024-03",
        rows=40,
        metrics={"roc_auc": figure},
        verdict="a",
    )
    march = ReplayedMonth(
        month="2024-03", version="late@1", rows=44, metrics={"roc_auc": Figure(value=0.75, low=0.7, high=0.8, n=40)}
    )
    other = ReplayedMonth(month="2024-03", version="early@1", rows=5, metrics={})
    replay = Replayed(
        name="year", start=at, end=at, predictions=44, outcomes=40, trainings=1, promotions=1, rejections=0, alerts=0,
        seconds={}, months=[march, other], comparisons=[made],
    )  # fmt: skip
    work.store.ledger.append(replay, by="test")


def test_what_a_replay_compared_is_a_comparison_like_others(work: Workplace) -> None:
    number = newest(work)
    replayed(work, number)
    look = looked(work)
    there = compared_facts(look, f"late@{number}", "late@1", "2024-03")
    assert there.live and there.comparison is not None and there.comparison.rows == 40
    assert there.comparison.metrics["roc_auc"].difference == 0.1 and there.command == "rondo ask 23"
    back = compared_facts(look, "late@1", f"late@{number}", "2024-03")
    assert back.comparison is not None and back.comparison.verdict == "b"
    assert back.comparison.metrics["roc_auc"].difference == -0.1
    page = compare_page(there, frame_of(look))
    assert "On the answers of 2024-03, 40 rows" in page and 'action="/actions/compare"' not in page


def test_where_these_rows_were_not_compared_the_page_tells_on_which_they_were(work: Workplace) -> None:
    number = newest(work)
    replayed(work, number)
    look = looked(work)
    facts = compared_facts(look, f"late@{number}", "late@1", "march")
    assert facts.comparison is None and "2024-03" in [each.on for each in facts.elsewhere]
    page = compare_page(facts, frame_of(look))
    assert f"a=late%40{number}&amp;b=late%401&amp;on=2024-03" in page and "On other rows" in page
    with pytest.raises(NotFound, match="2024-03"):
        compared_facts(look, on="2024-04")


def test_the_months_of_a_replay_stand_on_the_models_and_the_versions_page(work: Workplace) -> None:
    replayed(work, newest(work))
    look = looked(work)
    assert [each.version for each in models_facts(look).months] == ["late@1"], "of this model alone"
    for page in (
        models_page(models_facts(look), frame_of(look)),
        version_page(version_facts(look, "late", 1), frame_of(look)),
    ):
        assert 'id="months"' in page and "2024-03" in page and "0.7–0.8" in page.replace("0.700–0.800", "0.7–0.8")
    assert [(each.other, each.testset) for each in version_facts(look, "late", 1).comparisons][-1] == (
        f"late@{newest(work)}", "2024-03",
    )  # fmt: skip


def test_without_a_choice_the_newest_is_held_against_production_or_the_one_before(work: Workplace) -> None:
    found = compared_facts(looked(work))
    assert found.a.version == f"late@{newest(work)}" and found.b is not None and found.b.version != found.a.version
    with pytest.raises(NotFound, match="april"):
        compared_facts(looked(work), on="april")
    with pytest.raises(RondoError):
        compared_facts(looked(work), "late@1", "early@1")


def test_all_versions_on_all_test_sets(work: Workplace) -> None:
    evaluate(work, "late", 1, "march")
    found = models_facts(looked(work))
    assert (found.shown, found.testsets, found.pages) == ("late", ("test", "march"), 1)
    assert [line.number for line in found.versions] == list(range(newest(work), 0, -1))
    judged = {line.number: {each.testset: each.figure for each in line.judged} for line in found.versions}
    assert judged[1]["march"].n == evaluate(work, "late", 1, "march")[0].rows
    assert judged[newest(work)]["march"] is None
    [model] = found.models
    assert model.production is not None and model.versions == newest(work)
    with pytest.raises(NotFound):
        models_facts(looked(work), page=2)


def test_a_project_without_a_run_has_a_page_of_every_kind(shop: Path) -> None:
    work = open_workplace(shop, readonly=True)
    found = models_facts(work)
    assert found.versions == () and found.models[0].next == "rondo run late"
    assert compared_facts(work).a is None
    with pytest.raises(NotFound, match="no version"):
        version_facts(work, "late")
    assert "rondo run late" in models_page(found, frame_of(work))
    assert "rondo run" in compare_page(compared_facts(work), frame_of(work))


def test_as_of_before_a_promotion_it_has_not_happened(work: Workplace) -> None:
    look = looked(work)
    first = work.store.ledger.entries(Version, name="late", limit=1)[0]
    look.store.__dict__["ledger"] = LedgerUntil(work.store.ledger, first.at)
    assert [line.number for line in models_facts(look).versions] == [
        entry.record.version for entry in work.store.ledger.entries(Version, name="late", until=first.at)
    ][::-1]


def test_the_facts_are_a_document_and_the_pages_are_drawn(work: Workplace) -> None:
    number = newest(work)
    compare_whole(work, ("late", number), ("late", 1), "march")
    look = looked(work)
    detail, models = version_facts(look, "late", number), models_facts(look)
    compared = compared_facts(look, f"late@{number}", "late@1", "march")
    for facts in (detail, models, compared):
        assert msgspec.json.decode(msgspec.json.encode(facts))
    assert f"late@{number}" in version_page(detail, frame_of(look))
    assert f"late@{number}" in models_page(models, frame_of(look))
    assert "late@1" in compare_page(compared, frame_of(look))
