from __future__ import annotations

import pytest

from rondo.sql.repeated import LEAST_PARTS, Repeated, repeated

HOURLY = "select {by}, date_trunc('hour', seen) as hour, count(*) as n from trips where fare / miles > 3 group by all"


def texts(found: tuple[Repeated, ...]) -> set[str]:
    return {each.text for each in found}


def test_the_same_expression_is_found_however_it_is_laid_out() -> None:
    found = repeated(
        {
            "a": "select t.fare / NULLIF(t.miles, 0) as price from trips t",
            "b": "-- price\nselect FARE\n  / nullif(miles, 0) as per_mile, 1 as one from other_trips",
            "c": "select fare from trips",
        }
    )
    assert [each.among for each in found] == [("a", "b")]
    assert "NULLIF" in found[0].text


def test_what_lies_within_something_longer_that_is_shared_is_not_told_again() -> None:
    one, two = HOURLY.format(by="origin"), HOURLY.format(by="carrier")
    found = repeated({"a": one, "b": two})
    assert {"DATE_TRUNC('HOUR', seen)", "fare / miles > 3"} == texts(found)
    whole = repeated({"a": f"with h as ({one}) select hour from h", "b": f"select n from ({one}) as x"})
    assert [each.among for each in whole] == [("a", "b")]
    assert whole[0].text.startswith("SELECT origin")


def test_a_window_of_the_same_name_is_another_window() -> None:
    query = "select sum(x::int) over w / count(x::int) over w as s from t window w as (partition by {by} order by seen)"
    assert texts(repeated({"a": query.format(by="p"), "b": query.format(by="q")})) == {
        "SUM(CAST(x AS INT))",
        "COUNT(CAST(x AS INT))",
    }
    [same] = repeated({"a": query.format(by="p"), "b": query.format(by="p").replace(" w ", " v ")})
    assert same.text.count("PARTITION BY p") == 2


@pytest.mark.parametrize(
    "sql", ["select a, b from t where a = b and c > 0", "select count(*) from t", "select a::int from t"]
)
def test_columns_comparisons_and_casts_are_no_logic(sql: str) -> None:
    assert LEAST_PARTS == 2
    assert texts(repeated({"a": sql, "b": sql})) <= {"a = b AND c > 0"}


def test_what_cannot_be_read_has_nothing_in_common() -> None:
    assert repeated({"a": "select from from", "b": "select from from"}) == ()
