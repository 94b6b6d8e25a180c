from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.handbook.history import history_document
from rondo.loop.requesting import newest_requests, request_data, rows_to_decide
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.monitoring import Measurement
from rondo.records.running import DataRequest

WEEK = datetime(2024, 2, 4, 23, tzinfo=UTC)
bounds = st.floats(0.001, 0.5)


@given(bounds, bounds, st.integers(2, 10_000))
def test_the_bound_would_just_reach_the_limit(width: float, effect: float, n: int) -> None:
    """With as many rows as asked for, the distance that falls with their root is the distance to the limit."""
    needed = rows_to_decide(0.5, 0.5 - width, 0.5 + width / 2, 0.5 - effect, n)
    assert needed is not None
    assert width * math.sqrt(n / needed) <= effect * (1 + 1e-9)
    if needed > 1:
        assert width * math.sqrt(n / (needed - 1)) >= effect * (1 - 1e-9)
    from_below = rows_to_decide(0.5, 0.0, 0.5 + width, 0.5 + effect, n)  # there the upper bound faces the limit
    assert from_below == pytest.approx(needed, abs=1, rel=1e-9)


@pytest.mark.parametrize(("value", "low", "limit"), [(0.5, 0.4, 0.5), (0.5, None, 0.4)])
def test_where_no_number_of_rows_would_decide_none_is_told(value: float, low: float | None, limit: float) -> None:
    assert rows_to_decide(value, low, 0.6, limit, 100) is None


def with_requirements(shop: Path, *lines: str) -> Workplace:
    told = "\n".join(f"  - {line}" for line in lines)
    prd = f"---\nkind: prd\nmodel: late\nowner: me\nundecided: block\nrequirements:\n{told}\n---\n# Why\n"
    (shop / "docs/prd.md").write_text(prd, encoding="utf-8")
    work = open_workplace(shop)
    run(work)
    return work


def test_what_a_gate_left_open_is_asked_for_once_and_closed_when_decided(shop: Path) -> None:
    least, equal = "roc_auc >= 0.5 for each shop with at least 5000 rows", "roc_auc >= 0.83"
    work = with_requirements(shop, least, equal, "latency_p99_ms <= 0.000001", "accuracy >= 0.01")
    first = list(newest_requests(work.store.ledger, "late").values())
    slices = [each for each in first if each.about.startswith("shop=")]
    assert sorted(each.about for each in slices) == ["shop=A", "shop=B", "shop=C"]
    assert {(each.why, each.state, each.rows_needed, each.owner) for each in slices} == {
        ("undecided", "open", 5000, None)
    }
    for each in slices:
        assert each.days_needed == pytest.approx(8 * (5000 / each.rows_now - 1), rel=0.2)
    [whole] = [each for each in first if each.about == equal]
    assert whole.rows_needed is not None
    assert whole.rows_needed > whole.rows_now
    assert len(first) == 4  # what is decided, or what rows do not decide, is not asked for

    count = work.store.ledger.count(DataRequest, "late")
    run(open_workplace(shop))
    assert work.store.ledger.count(DataRequest, "late") == count
    work = with_requirements(shop, "roc_auc >= 0.5 for each shop with at least 10 rows", equal)
    states = {each.about: each.state for each in newest_requests(work.store.ledger, "late").values()}
    assert states == {"shop=A": "closed", "shop=B": "closed", "shop=C": "closed", equal: "open"}
    reasons = [line["reason"] for line in history_document(work.store.ledger, 500) if line["what"] == "data_requests"]
    assert any(reason.startswith("closed: ") for reason in reasons)
    asked = work.catalog.query("select about, rows_needed from ledger.data_requests where state = 'open'").rows
    assert asked.num_rows == sum(not reason.startswith("closed: ") for reason in reasons)


def missing(share: float, *, weeks: int = 0, n: int = 1000, days: int = 7) -> Measurement:
    start, width = WEEK + timedelta(weeks=weeks), 0.02
    return Measurement(
        name="late", metric="null_share", feature="loads.load", start=start, end=start + timedelta(days=days), rows=n,
        matured=n, value=share, low=max(0.0, share - width), high=share + width, limit=None, state="no limit", n=n,
        model_version=1,
    )  # fmt: skip


def test_a_feature_that_is_often_missing_is_asked_for(shop: Path) -> None:
    (shop / "tables/loads.sql").write_text(
        (shop / "tables/loads.sql").read_text(encoding="utf-8").replace("key: shop", "key: shop\nowner: feeds"),
        encoding="utf-8",
    )
    run(open_workplace(shop))
    work = open_workplace(shop, clock=lambda: WEEK + timedelta(weeks=9))
    model = work.project.model("late")
    assert request_data(work, model, [missing(0.11), missing(0.5, days=1), missing(0.5, weeks=9)]) == []
    [found] = request_data(work, model, [missing(0.3), missing(0.05, weeks=-1)])
    assert (found.why, found.about, found.owner) == ("missing", "loads.load", "feeds")
    assert (found.rows_now, found.rows_needed) == (700, 900)
    assert "missing in 30% [28%, 32%] of 1,000 requests (2024-02-05 to 2024-02-12)" in found.what
    assert request_data(work, model, [missing(0.25, weeks=1)]) == []
    assert request_data(work, model, [missing(0.09, weeks=2)]) == []  # not surely below a tenth
    [closed] = request_data(work, model, [missing(0.01, weeks=3)])
    assert (closed.id, closed.state) == (found.id, "closed")
    [again] = request_data(work, model, [missing(0.4, weeks=4)])
    assert (again.id, again.state) == (found.id, "open")
