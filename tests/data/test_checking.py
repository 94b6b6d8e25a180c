from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.data.checking import Examined, failing_rows, passing_rows, run_checks
from rondo.errors import DeclarationError
from rondo.project.checks import Check, distribution, in_table, not_null, parse_check, row_count, unique
from rondo.sql.engine import connect, run

Con = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def con() -> Iterator[Con]:
    con = connect(timezone="UTC")
    yield con
    con.close()


def examined(rows: str, **more: object) -> Examined:
    return Examined(relation=f"(from (values {rows}) as t(a, b))", **more)  # type: ignore[arg-type]


def found(con: Con, looked: Examined, *checks: Check) -> list[tuple[str, int, int]]:
    return [(c.state, c.rows, c.failed) for c in run_checks(con, looked, checks)]


def test_every_kind(con: Con) -> None:
    looked = examined(
        "(1, 'x'), (2, 'y'), (2, 'y'), (null, 'z'), (null, 'z'), (-5, null)",
        key=("a",),
        references={"other": "(select unnest(['x', 'z', null]) as name)"},
    )
    assert found(
        con, looked, parse_check("a > 0"), unique(), unique("a", "b"), not_null("a", "b"),
        in_table(b="other.name"), row_count(min=6, max=6), row_count(max=5), distribution(a=0.1),
    ) == [
        ("failed", 6, 1), ("failed", 6, 2), ("failed", 6, 2), ("failed", 6, 3),
        ("failed", 6, 2), ("passed", 6, 0), ("failed", 6, 0), ("passed", 6, 0),
    ]  # fmt: skip


def test_conditions_as_people_write_them(con: Con) -> None:
    looked = examined("(1, 'it''s'), (2, 'x')")
    assert found(con, looked, parse_check("a in (1, 2) -- both"), parse_check("b = 'it''s' or a = 2 /* why */")) == [
        ("passed", 2, 0), ("passed", 2, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (parse_check("nope > 0"), r"'nope > 0' cannot be evaluated.*The columns are: a, b"),
        (parse_check("a >"), "'a >' cannot be evaluated"),
        (parse_check("a + 1"), "it gives INTEGER, not true or false"),
        (parse_check("count(*) > 1"), "cannot be evaluated"),
        (parse_check("a > 0) or (true"), "cannot be evaluated"),
        (parse_check("b::int > 0"), "'b::int > 0' cannot be evaluated: Could not convert string 'x'"),
        (not_null("nope"), "there is no column 'nope'"),
        (unique("nope"), "there is no column 'nope'"),
        (in_table(nope="other.name"), "there is no column 'nope'"),
        (in_table(a="gone.name"), "refers to 'gone', which is no table"),
        (in_table(a="other.gone"), "cannot be evaluated"),
        (distribution(nope=0.1), "there is no column 'nope'"),
    ],
)
def test_a_check_that_cannot_be_evaluated_is_named(con: Con, check: Check, words: str) -> None:
    looked = examined("(1, 'x')", references={"other": "(select 1 as name)"}, file="tables/t.sql", line=1)
    with pytest.raises(DeclarationError, match=words) as caught:
        run_checks(con, looked, [parse_check("a > 0"), check])
    assert caught.value.file == "tables/t.sql"


def test_a_check_of_rows_that_saw_none_has_failed(con: Con) -> None:
    looked = Examined(relation="(select 1 as a, 'x' as b where false)")
    assert found(con, looked, parse_check("a > 0"), not_null("a"), unique("a"), row_count(max=5), row_count(min=1)) == [
        ("failed", 0, 0), ("failed", 0, 0), ("failed", 0, 0), ("passed", 0, 0), ("failed", 0, 0),
    ]  # fmt: skip
    with pytest.raises(DeclarationError, match="there is no column 'z'"):
        run_checks(con, looked, [parse_check("z > 0")])


@pytest.mark.parametrize(
    ("before", "now", "state"),
    [
        ("select range % 10 as x from range(1000)", "select range % 10 as x from range(900)", "passed"),
        ("select range % 10 as x from range(1000)", "select 5 + range % 10 as x from range(1000)", "failed"),
        ("select ['a', 'b'][1 + range % 2] as x from range(99)", "select 'a' as x from range(99)", "failed"),
        (
            "select date '2020-01-01' + range::int as x from range(99)",
            "select date '2020-01-02' as x from range(9)",
            "failed",
        ),
        ("select null::int as x from range(99)", "select 1 as x from range(99)", "failed"),
        ("select 1 as y", "select 1 as x", "passed"),
    ],
)
def test_distribution_against_the_last_good_version(con: Con, before: str, now: str, state: str) -> None:
    looked = Examined(relation=f"({now})", previous=f"({before})")
    assert [c.state for c in run_checks(con, looked, [distribution(x=0.2)])] == [state]


VALUES = st.lists(
    st.tuples(st.none() | st.integers(-2, 3), st.none() | st.sampled_from("xyz")), min_size=1, max_size=12
)


@settings(max_examples=40, deadline=None)
@given(rows=VALUES)
def test_counts_are_those_of_a_plain_reading(rows: list[tuple[int | None, str | None]]) -> None:
    checks = [parse_check("a > 0"), unique("a", "b"), not_null("a"), in_table(b="other.name")]
    whole = [row for row in rows if None not in row]
    fails = [
        lambda a, b: a is not None and not a > 0,
        lambda a, b: (a, b) in whole and whole.count((a, b)) > 1,
        lambda a, b: a is None,
        lambda a, b: b is not None and b not in ("x", "y"),
    ]
    looked = Examined(relation="(from rows_)", references={"other": "(select unnest(['x', 'y', null]) as name)"})
    with connect(timezone="UTC", threads=1) as con:
        con.sql("create table rows_ (a int, b varchar)")
        con.executemany("insert into rows_ values (?, ?)", rows)
        assert [c.failed for c in run_checks(con, looked, checks)] == [sum(f(a, b) for a, b in rows) for f in fails]
        names = [next((c.text for c, f in zip(checks, fails, strict=True) if f(a, b)), None) for a, b in rows]
        failing = run(con, f"select check_name from {failing_rows(looked, checks)}")
        assert sorted(str(name) for (name,) in failing) == sorted(name for name in names if name)
        [[passing]] = run(con, f"select count(*) from {passing_rows(looked, checks)}")
        assert passing == names.count(None)
