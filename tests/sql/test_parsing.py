from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import DeclarationError
from rondo.sql.parsing import (
    canonical,
    check_single_select,
    columns_of,
    fingerprint,
    quote_versions,
    rename_tables,
    tables_read,
)

HOURLY = """
with hourly as (
  select origin, date_trunc('hour', sched_dep) as hour, count(*) as n, sum(late::int) as late
  from flights group by all
)
select origin, hour, hour + interval 75 minute as known_at,   -- the last flight of the hour
       sum(late) over w / sum(n) over w as late_rate, sum(n) over w as departures
from hourly
window w as (partition by origin order by hour range between interval 2 hour preceding and current row)
"""


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        (HOURLY, ("flights",)),
        ("from a select x", ("a",)),
        ("from a, b join c using (k)", ("a", "b", "c")),
        ("from a asof left join b on a.k = b.k and a.t >= b.t", ("a", "b")),
        ("select * exclude (x) from a qualify row_number() over (partition by k order by t desc) = 1", ("a",)),
        ("select x // 2, [y + 1 for y in l if y > 0], list_transform(l, lambda z: z + w) from a", ("a",)),
        ("select lambda x: x + 1 from a", ("a",)),  # SQLGlot cannot parse this one
        ("from dataset.late l join ledger.deployments d on l.v = d.v", ("dataset.late", "ledger.deployments")),
        ("from quarantine.flights", ("quarantine.flights",)),
        ('from dataset."late@7"', ("dataset.late@7",)),
        ("from flights@v12", ("flights@v12",)),
        ("from flights@2013-05-01 f join dataset.late@7 using (k)", ("flights@2013-05-01", "dataset.late@7")),
        ("from flights@2013-05-01T10:00:00Z select x", ("flights@2013-05-01T10:00:00Z",)),
        ("with flights as (from flights where x) from flights", ("flights",)),
        ("with a as (from b), b as (from a) from b", ("b",)),
        ("with recursive r as (select 1 n union all select n + 1 from r join b using (n)) from r", ("b",)),
        (
            "select (select max(x) from b where b.k = a.k) from a where exists (from c) and x in (from d)",
            ("b", "a", "c", "d"),
        ),
        ("select * from (with b as (from a) from b) join b on true", ("a", "b")),
        ("from a union all by name from B", ("a", "B")),
        ("from a join A on true", ("a",)),
        ("pivot a on y in (1, 2) using sum(x)", ("a",)),
        ("unpivot a on x, y into name n value v", ("a",)),
        ("from a, lateral (from b where b.x = a.x)", ("a", "b")),
        ("from range(10) r(i), a positional join b", ("a", "b")),
        ("from 운항 select 시각", ("운항",)),
        ("values (1)", ()),
        ("select 'from x', $$from y$$ -- from z\n", ()),
    ],
)
def test_tables_read(sql: str, tables: tuple[str, ...]) -> None:
    assert tables_read(sql) == tables


NAMES = st.sampled_from(["a", "b", "c", "d"])


@st.composite
def queries(draw: st.DrawFn, depth: int = 2) -> tuple[str, set[str]]:
    """A query and the tables it reads, CTEs shadowing tables of the same name."""

    def query(depth: int, hidden: frozenset[str]) -> tuple[str, set[str]]:
        name = draw(NAMES)
        if depth == 0 or draw(st.booleans()):
            return f"select * from {name}", set() if name in hidden else {name}
        kind = draw(st.sampled_from(["cte", "subquery", "union", "where", "join"]))
        left, reads = query(depth - 1, hidden)
        if kind == "cte":
            body, more = query(depth - 1, hidden | {name})
            return f"select * from (with {name} as ({left}) {body})", reads | more
        right, more = query(depth - 1, hidden)
        sql = {
            "subquery": f"select *, ({right} limit 1) from ({left})",
            "union": f"({left}) union all ({right})",
            "where": f"from ({left}) where exists ({right})",
            "join": f"from ({left}) l join ({right}) r on true",
        }[kind]
        return sql, reads | more

    return query(depth, frozenset())


@settings(max_examples=150, deadline=None)
@given(queries())
def test_tables_read_and_renamed_of_any_nesting(drawn: tuple[str, set[str]]) -> None:
    sql, reads = drawn
    assert set(tables_read(sql)) == reads
    assert set(tables_read(rename_tables(sql, {"a": "a@v1", "b": "s.b"}))) == {
        {"a": "a@v1", "b": "s.b"}.get(name, name) for name in reads
    }


def test_fingerprint_is_deaf_to_comments_whitespace_and_case_of_keywords() -> None:
    shouted = HOURLY.replace("with ", "WITH /* a /* nested */ note */ ").replace("select", "SELECT\n\t")
    shouted = shouted.replace("from", "From").replace("sum(", "SUM (").replace("-- the last flight of the hour", "--")
    assert fingerprint(shouted + ";") == fingerprint(HOURLY)
    assert re.fullmatch("[0-9a-f]{64}", fingerprint(HOURLY))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("75", "65"),
        ("'hour'", "'Hour'"),
        ("late_rate", "Late_rate"),
        ("group by all", "group by 1, 2"),
        ("2 hour", "2 day"),
    ],
)
def test_fingerprint_hears_everything_else(old: str, new: str) -> None:
    assert fingerprint(HOURLY.replace(old, new)) != fingerprint(HOURLY)


def test_the_form_is_stable() -> None:
    """Fingerprints are stored: a change of this form makes every model stale."""
    assert canonical("SELECT  COUNT(*) AS Year, 'A b' X FROM T -- c\n WHERE a=-1 GROUP BY ALL;") == (
        "select count ( * ) as Year , 'A b' X from T where a = - 1 group by all"
    )


def test_a_text_that_does_not_parse_has_a_fingerprint_of_its_words() -> None:
    assert canonical("selec  x -- y") == "selec x"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_canonical_is_the_same_query(data: st.DataObject) -> None:
    sql, _ = data.draw(queries())
    assert canonical(canonical(sql)) == canonical(sql)
    assert tables_read(canonical(sql)) == tables_read(sql)


@pytest.mark.parametrize(
    ("sql", "line", "message"),
    [
        ("select 1;\n\nselect 2", 13, "2 statements"),
        ("select x\nfrm y\nz w", 12, "not SQL"),
        ("-- nothing\n", 12, "no query"),
        ("create table x as select 1", 11, "not CREATE"),
        ("select 1;\ndrop table x", 12, "not DROP"),
        ("pivot a on y using sum(x)", 11, "list its values"),
        ("\nfrom query('select * from x')", 12, "hides"),
    ],
)
def test_what_is_not_one_query_is_refused_with_its_line(sql: str, line: int, message: str) -> None:
    with pytest.raises(DeclarationError, match=message) as caught:
        check_single_select(sql, file="tables/t.sql", line_offset=10)
    assert (caught.value.file, caught.value.line) == ("tables/t.sql", line)


def test_one_query_passes() -> None:
    check_single_select(HOURLY + ";  -- done")
    check_single_select("from flights@v12 select x")


def test_versions_are_quoted_where_they_are_names() -> None:
    sql = "select @x, y @> z, 'a@v1', \"b@v2\" from c@v3, d@2013-05-01 -- e@v4\n"
    assert quote_versions(sql) == 'select @x, y @> z, \'a@v1\', "b@v2" from "c@v3", "d@2013-05-01" -- e@v4\n'


def test_renamed_tables_compute_the_same() -> None:
    with duckdb.connect() as con:
        con.execute("create schema dataset; create table flights as select range x, range % 3 k from range(9)")
        con.execute("create table dataset.late as from flights where x > 4")
        con.execute('create table "pinned@1" as from flights; create table other as from dataset.late')
        sql = """with late as (from Flights) select '운항 flights', flights.x, f.k, late.x
                 from flights join flights f using (x) join late using (x)
                 where x in (select dataset.late.x from dataset.late) order by all"""
        renamed = rename_tables(sql, {"flights": "pinned@1", "dataset.late": "other", "nobody": "x"})
        assert set(tables_read(renamed)) == {"pinned@1", "other"}
        assert con.execute(renamed).fetchall() == con.execute(sql).fetchall() != []


def test_a_table_is_renamed_to_a_relation() -> None:
    sql = rename_tables("select t.x from t", {"t": "(select 7 as x)"})
    assert duckdb.sql(sql).fetchall() == [(7,)]


@pytest.mark.parametrize(
    ("expression", "columns"),
    [
        ("distance > 0", ("distance",)),
        ("origin in ('EWR', 'JFK')", ("origin",)),
        ("B + a + b", ("B", "a")),
        ("list_sum(list_transform(l, lambda x: x + b)) + x", ("l", "b", "x")),
        ("address.city = 'x'", ("address",)),
        ('"a b" is null and time + interval 15 minute > 안녕', ("a b", "time", "안녕")),
        ("make_timestamp(year, month, day, dep // 100, dep % 100, 0)", ("year", "month", "day", "dep")),
        ("count(*)", ()),
        ("1 -- x", ()),
    ],
)
def test_columns_of(expression: str, columns: tuple[str, ...]) -> None:
    assert columns_of(expression) == columns


@pytest.mark.parametrize(
    "text", ["a from b", "a, b", "a as b", "a where b", "a; select 1", "*", "a +", "", "$1", "a limit 1"]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        columns_of(text, file="sources.py", line=3)
    assert (caught.value.file, caught.value.line) == ("sources.py", 3)


def test_long_expressions() -> None:
    assert columns_of(" + ".join(["a"] * 150)) == ("a",)
    assert tables_read(f"select x from a where x in ({', '.join(map(str, range(5000)))})") == ("a",)
    with pytest.raises(DeclarationError, match="nested too deeply"):
        columns_of(" + ".join(["a"] * 900))
