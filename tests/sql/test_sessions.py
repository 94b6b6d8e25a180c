from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import BuildError, DeclarationError, NotFound, WrongUse
from rondo.project.reading import Project, read_project
from rondo.sql.relations import Catalog
from rondo.sql.sessions import parameters_of, session
from rondo.store.opening import open_store


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    root = tmp_path_factory.mktemp("sessions")
    (root / "rondo.toml").write_text('[project]\nname = "empty"\n')
    project: Project = read_project(root)
    settings = project.settings
    store = open_store(
        root, ledger_url=settings.ledger, lake_url=settings.lake, online_url=settings.online, project=settings.name
    )
    return Catalog(project, store.ledger, store.lake)


@given(st.text(max_size=40).filter(lambda text: "\x00" not in text and text.encode("utf-8", "ignore").decode() == text))
def test_a_value_is_bound_whatever_it_holds(catalog: Catalog, text: str) -> None:
    with session(catalog) as asked:
        answer = asked.query("select $said as said, $day as day", parameters={"said": text, "day": date(2013, 1, 1)})
    assert answer.rows.to_pylist() == [{"said": text, "day": date(2013, 1, 1)}]
    assert answer.columns == {"said": "VARCHAR", "day": "DATE"}


def test_only_the_values_that_a_query_names_are_bound() -> None:
    assert parameters_of("select $week, '$text', \"$name\" -- $comment\n, $1 + $week") == {"week"}


def test_a_value_that_nobody_gave_names_those_there_are(catalog: Catalog) -> None:
    with session(catalog) as asked, pytest.raises(NotFound, match="no parameter 'wek'; there are: day, week"):
        asked.query("select $wek", parameters={"week": 1, "day": 2})


@pytest.mark.parametrize("parameters", [{}, {"n": 1}])
def test_a_query_that_never_ends_is_stopped_and_the_next_one_runs(catalog: Catalog, parameters: dict[str, int]) -> None:
    endless = "select count(*)" + (" + $n" if parameters else "") + " from range(100_000_000_000) a, range(1_000_000) b"
    began = time.perf_counter()
    with session(catalog) as asked:
        with pytest.raises(BuildError, match=r"did not end within 0\.3 s"):
            asked.query(endless, parameters=parameters, limit_s=0.3)
        assert time.perf_counter() - began < 5
        assert asked.query("select 1 as one", limit_s=5).rows.to_pylist() == [{"one": 1}]


def test_what_is_wrong_with_a_query_is_said_as_ever(catalog: Catalog) -> None:
    with session(catalog) as asked:
        with pytest.raises(WrongUse, match="nope"):
            asked.query("select nope")
        with pytest.raises(NotFound, match="no table 'nope'"):
            asked.query("select * from nope")
        with pytest.raises(DeclarationError, match="Two columns"):
            asked.query("select $a, $a", parameters={"a": 1})


def test_at_most_so_many_rows_come_and_more_are_told(catalog: Catalog, tmp_path: Path) -> None:
    with session(catalog) as asked:
        answer = asked.query("select unnest(range($n)) as i", parameters={"n": 5}, limit=3)
    assert (answer.rows.num_rows, answer.truncated) == (3, True)
