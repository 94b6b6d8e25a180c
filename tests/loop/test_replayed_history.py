from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from rondo.loop.replayed_history import History, HistoryValues, asked, recorded, ticks
from rondo.loop.running import run
from rondo.loop.versions import signature_of
from rondo.loop.workplace import Workplace, open_workplace
from rondo.sql.engine import connect
from rondo.sql.engine import run as ask

END = datetime(2024, 2, 15, tzinfo=UTC)


@pytest.fixture
def work(shop: Path) -> Workplace:
    """Loads are wanted every three hours, and there are none from 3 to 9 o'clock on 5 February."""
    text = (shop / "sources.py").read_text(encoding="utf-8")
    (shop / "sources.py").write_text(text.replace('30 minute")', '30 minute", fresh="3h")'), encoding="utf-8")
    loads = (shop / "data/loads_1.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    gap = [f"2024-02-05 {hour:02}:" for hour in range(3, 9)]
    (shop / "data/loads_1.csv").write_text("".join(line for line in loads if not any(h in line for h in gap)))
    opened = open_workplace(shop, clock=lambda: END)
    run(opened)
    return opened


@pytest.fixture
def history(work: Workplace) -> Iterator[History]:
    with recorded(work, [work.project.model("late")], END) as found:
        yield found


def test_it_ticks_at_local_midnights_and_when_a_source_turns_stale_and_fresh(work: Workplace, history: History) -> None:
    start, end = datetime(2024, 2, 3, 12, tzinfo=UTC), datetime(2024, 2, 7, tzinfo=UTC)
    midnights = [datetime(2024, 2, day, 23, tzinfo=UTC) for day in (3, 4, 5, 6)]
    # The last load before the gap, of 2 o'clock in Berlin, was known at half past two; the next at half past nine.
    # At half past eight it is twice as old as it may be: from nine o'clock on, by whole hours.
    turns = [datetime(2024, 2, 5, hour, minute, tzinfo=UTC) for hour, minute in ((4, 30), (8, 0), (8, 30))]
    found = ticks(work, [work.project.model("late")], history, start, end)
    assert found == sorted([*midnights, *turns])
    before, after = (
        history.newest_known(moment)["loads_raw"] for moment in (turns[-1] - timedelta(seconds=1), turns[-1])
    )
    assert (before, after) == (datetime(2024, 2, 5, 1, 30, tzinfo=UTC), turns[-1])


def test_nothing_known_later_than_the_end_is_in_it(work: Workplace, history: History) -> None:
    assert history.newest_known(datetime(2030, 1, 1, tzinfo=UTC))["visits_raw"] <= END
    con = connect(timezone="Europe/Berlin")
    [(newest,)] = ask(con, f"select max(result_at)::timestamptz from {history.relation('visits')}")
    con.close()
    assert newest <= END  # type: ignore[operator]
    for known in history.known_us.values():
        assert np.all(np.diff(known) > 0)


def test_what_is_asked_comes_by_moment_with_its_label(work: Workplace, history: History) -> None:
    model = work.project.model("late")
    since, until = datetime(2024, 2, 10, tzinfo=UTC), datetime(2024, 2, 12, tzinfo=UTC)
    rows, labels = asked(history, work, model, signature_of(work, "late", 1), since, until)
    assert len(rows) == len(labels) > 50
    assert set(rows[0]) == {"visit", "asked_at", "shop", "distance"}
    moments = [row["asked_at"] for row in rows]
    assert moments == sorted(moments)
    assert set(labels) == {True, False}


def test_values_are_those_known_at_each_moment(work: Workplace, history: History) -> None:
    [loads] = [lookup for lookup in signature_of(work, "late", 1).lookups if lookup.table == "loads"]
    values = HistoryValues(work, history)
    known = datetime(2024, 2, 4, 10, 30, tzinfo=UTC)  # of 11 o'clock in Berlin
    moments = [known - timedelta(seconds=1), known]
    before, after = values.look_up(loads, [("A",), ("A",)], moments)
    assert before != after
    assert values.look_up(loads, [("Z",)], [known]) == [None]
