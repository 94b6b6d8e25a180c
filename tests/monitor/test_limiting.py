from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from rondo.monitor.limiting import limited
from rondo.monitor.windows import Window, day_window, week_window
from rondo.project.monitoring import Limit, Monitoring
from rondo.project.requirements import parse_requirement
from rondo.records.monitoring import Measurement
from rondo.stats.limits import DAYS_A_MONTH

FIRST = date(2024, 1, 1)  # a Monday
ZONE = "America/New_York"
LATER = datetime(2030, 1, 1, tzinfo=UTC)
PSI = "population_stability_index"


def measured(window: Window, metric: str = PSI, value: float | None = 0.3, **more: object) -> Measurement:
    told: dict[str, Any] = {
        "name": "late", "metric": metric, "feature": None, "start": window.start, "end": window.end, "rows": 1000,
        "matured": 0, "value": value, "low": value, "high": value, "limit": None, "state": "no limit", "n": 1000,
        "unit": "", "higher_is_better": False,
    }  # fmt: skip
    return Measurement(**{**told, **more})


def day(number: int) -> Window:
    return day_window(FIRST + timedelta(days=number), ZONE)


def days(values: Iterable[float], metric: str = PSI, first: int = 0, **more: object) -> list[Measurement]:
    judged = {"state": "within", **more}
    return [measured(day(first + n), metric, float(value), **judged) for n, value in enumerate(values)]


def held(
    measurement: Measurement, history: Iterable[Measurement] = (), *, now: datetime = LATER, **said: object
) -> Measurement:
    given = {"monitoring": Monitoring(), "timezone": ZONE, **said}
    [found] = limited([measurement], history, now=now, **given)  # type: ignore[arg-type]
    return found


def told(found: Measurement) -> tuple[object, ...]:
    return found.state, found.limit, found.side, found.basis


@pytest.mark.parametrize(
    ("low", "high", "state"),
    [(0.0, 0.09, "within"), (0.05, 0.3, "within"), (0.11, 0.3, "out"), (None, None, "unexamined")],
)
def test_a_limit_by_default_is_left_when_the_whole_interval_has(
    low: float | None, high: float | None, state: str
) -> None:
    found = held(measured(day(0), "null_shift", 0.2, feature="temp", low=low, high=high))
    assert told(found) == (state, 0.10, "above", "declared")


@pytest.mark.parametrize(
    ("requirement", "window", "more", "limit"),
    [
        ("roc_auc >= 0.7", "week", {}, 0.7),
        ("roc_auc >= 0.7", "day", {}, None),  # a day is too short for a promise
        ("roc_auc >= 0.7 on storms", "week", {}, None),
        ("roc_auc >= 0.7 for each origin", "week", {}, None),
        ("roc_auc >= 0.7 for each origin", "week", {"by": "origin", "is_": "JFK"}, 0.7),
        ("roc_auc >= 0.7 for each carrier", "week", {"by": "origin", "is_": "JFK"}, None),
        ("roc_auc >= 0.7", "week", {"by": "origin", "is_": "JFK"}, None),
    ],
)
def test_the_prd_declares_limits_of_weeks(
    requirement: str, window: str, more: dict[str, object], limit: float | None
) -> None:
    place = day(0) if window == "day" else week_window(FIRST, ZONE)
    found = held(
        measured(place, "roc_auc", 0.6, higher_is_better=True, **more), requirements=[parse_requirement(requirement)]
    )
    assert told(found) == (("out", 0.7, "below", "declared") if limit else ("uncalibrated", None, None, "uncalibrated"))


def test_a_slice_under_its_least_rows_is_not_examined() -> None:
    requirement = parse_requirement("roc_auc >= 0.7 for each origin with at least 500 rows")
    small = {"by": "origin", "is_": "JFK", "higher_is_better": True}
    week = week_window(FIRST, ZONE)
    states = [held(measured(week, "roc_auc", 0.6, n=n, **small), requirements=[requirement]).state for n in (499, 500)]
    assert states == ["unexamined", "out"]


def test_an_hour_of_service_is_held_against_the_prd() -> None:
    window = Window(day(0).start, day(0).start + timedelta(hours=1))
    slow = measured(window, "latency_p99_ms", 50.0)
    assert told(held(slow)) == ("no limit", None, None, None)
    requirement = parse_requirement("latency_p99_ms <= 20")
    assert told(held(slow, requirements=[requirement])) == ("out", 20.0, "above", "declared")


def test_somebodys_own_limit_comes_first_and_none_takes_one_away() -> None:
    week, requirement = week_window(FIRST, ZONE), parse_requirement("roc_auc >= 0.7")
    own = Monitoring(1.0, (Limit("roc_auc", "below", 0.5), Limit("null_shift", "above", None, "temp")))
    better = measured(week, "roc_auc", 0.6, higher_is_better=True)
    assert told(held(better, monitoring=own, requirements=[requirement])) == ("within", 0.5, "below", "declared")
    assert told(held(measured(day(0), "null_shift", feature="temp"), monitoring=own)) == ("no limit", None, None, None)
    assert held(measured(day(0), "null_shift", feature="wind"), monitoring=own).limit == 0.10
    plain = Monitoring(1.0, (Limit("rows", "below", 5_000),))
    assert told(held(measured(day(0), "rows", 1000.0), monitoring=plain)) == ("out", 5_000, "below", "declared")


def test_what_was_measured_with_its_own_limit_keeps_it() -> None:
    stale = measured(day(0), "staleness_h", 5.0, feature="w", limit=4.0, state="out", side="above", basis="declared")
    assert held(stale) == stale


@pytest.mark.parametrize(
    ("seen", "basis", "inside"),
    [(13, None, "uncalibrated"), (14, "uncalibrated", "uncalibrated"), (89, "uncalibrated", "uncalibrated"), (91, "calibrated", "within")],
)  # fmt: skip
def test_history_decides_on_what_a_limit_stands(seen: int, basis: str | None, inside: str) -> None:
    """Under 14 days there is none, under three months none with a rate."""
    values = np.random.default_rng(0).uniform(0.2, 0.4, seen)
    first = 122 - seen  # until the last day of April
    history = days(values, first=first - 1, feature="temp")
    usual = held(measured(day(130), value=0.3, feature="temp"), history)
    far = held(measured(day(130), value=9.0, feature="temp"), history)
    if basis is None:
        assert told(usual) == told(far) == ("uncalibrated", None, None, "uncalibrated")
    else:
        assert (usual.state, usual.basis, usual.side) == (inside, basis, "above")
        assert (far.state, far.basis) == ("out", basis) and 0.4 < usual.limit < 0.6


def test_no_later_time_than_the_month_before_reaches_a_limit() -> None:
    rng = np.random.default_rng(1)
    history = days(rng.uniform(0.2, 0.4, 200), feature="temp")
    may = measured(day(130), feature="temp")
    limit = held(may, history).limit
    later = [
        msgspec.structs.replace(m, value=7.0) if m.end > datetime(2024, 5, 1, 4, tzinfo=UTC) else m for m in history
    ]
    assert held(may, later).limit == limit
    assert (
        held(measured(day(160), feature="temp"), later).limit != held(measured(day(160), feature="temp"), history).limit
    )


def test_windows_of_incidents_and_broken_days_are_no_history() -> None:
    rng = np.random.default_rng(2)
    values = rng.uniform(0.2, 0.4, 121)
    values[50:60] = 9.0
    broken, window = days(values, feature="temp"), measured(day(130), feature="temp")
    assert held(window, broken).limit > 5
    excluded = [Window(day(50).start, day(59).end)]
    assert held(window, broken, excluded=excluded).limit < 0.6
    nulls = days([0.5] * 10, "null_shift", first=50, feature="temp", state="out", basis="declared")
    assert held(window, [*broken, *nulls]).limit < 0.6


def test_days_of_few_rows_are_neither_history_nor_held_against_it() -> None:
    history = days(np.random.default_rng(3).uniform(0.2, 0.4, 121), feature="temp")
    history[7] = msgspec.structs.replace(history[7], value=9.0, n=100)
    assert held(measured(day(130), feature="temp"), history).limit < 0.6
    assert held(measured(day(130), value=9.0, n=100, feature="temp"), history).state == "uncalibrated"


def test_a_window_that_still_runs_is_not_held_against_history() -> None:
    history = days(np.random.default_rng(4).uniform(0.2, 0.4, 121), feature="temp")
    running = measured(day(130), value=9.0, feature="temp")
    assert held(running, history, now=day(130).end - timedelta(hours=1)).state == "no limit"
    assert held(running, history, now=day(130).end).state == "out"


def test_a_window_that_ran_when_it_was_measured_is_held_when_it_is_over() -> None:
    """No row need come for that: whoever looks next finds it."""
    history = days(np.random.default_rng(4).uniform(0.2, 0.4, 121), feature="temp")
    running = measured(day(130), value=9.0, feature="temp")
    given = {"monitoring": Monitoring(), "timezone": ZONE}
    assert limited([], [*history, running], now=day(130).end - timedelta(hours=1), **given) == []
    [over] = limited([], [*history, running], now=day(130).end, **given)
    assert over == held(running, history) and over.state == "out"
    again = msgspec.structs.replace(running, value=0.3)
    assert limited([again], [*history, running], now=day(130).end, **given) == [held(again, history)]
    assert limited([], [*history, over], now=day(130).end, **given) == []


def test_training_days_are_history_and_are_not_judged() -> None:
    rng = np.random.default_rng(7)
    trained = days(rng.uniform(0.2, 0.4, 100), feature="temp", state="no limit")
    answered = days(rng.uniform(0.2, 0.4, 20), first=101, feature="temp")
    new = measured(day(122), value=9.0, feature="temp")
    given = {"monitoring": Monitoring(), "timezone": ZONE, "now": LATER}
    assert limited([new], answered, **given)[0].basis == "uncalibrated"
    [found] = limited([new], answered, trained=trained, **given)
    assert (found.state, found.basis) == ("out", "calibrated")


def test_days_of_another_timezone_are_no_history() -> None:
    """Who changes the project's timezone begins anew."""
    history = days(np.random.default_rng(8).uniform(0.2, 0.4, 121), feature="temp")
    elsewhere = measured(day_window(FIRST + timedelta(days=130), "Asia/Seoul"), feature="temp")
    assert told(held(elsewhere, history, timezone="Asia/Seoul")) == ("uncalibrated", None, None, "uncalibrated")


def test_history_raises_a_limit_by_default_so_far_and_no_farther() -> None:
    rng = np.random.default_rng(9)
    calm, wild = (days(rng.uniform(0, most, 121), "null_shift", feature="temp") for most in (0.02, 0.25))
    wilder = days(rng.uniform(0, 1.0, 121), "null_shift", feature="temp")
    share = [measured(day(130), "null_shift", value, feature="temp") for value in (0.05, 0.15, 0.4, 0.9)]
    assert [told(held(each, calm)) for each in share[:2]] == [
        ("within", 0.10, "above", "declared"), ("out", 0.10, "above", "declared"),
    ]  # fmt: skip
    found = [held(each, wild) for each in share]
    assert [each.state for each in found] == ["within", "within", "out", "out"]
    assert all(each.basis == "calibrated" and 0.2 < each.limit < 0.35 for each in found)
    assert told(held(share[2], wilder)) == ("within", 0.5, "above", "calibrated")
    assert held(share[3], wilder).state == "out"
    unsure = msgspec.structs.replace(share[2], low=0.05)
    assert held(unsure, wild).state == "within"


def test_what_moves_by_next_to_nothing_is_out_of_no_limit() -> None:
    history = days(np.random.default_rng(5).uniform(0.001, 0.002, 121), feature="temp")
    found = held(measured(day(130), value=0.05, feature="temp"), history)
    assert (found.state, found.side, found.basis) == ("within", "above", "calibrated")
    assert found.limit == pytest.approx(0.1015, abs=5e-4)
    mondays = days([0.69 if n % 7 == 0 else 0.5 for n in range(121)], "jensen_shannon", feature="dow")
    assert held(measured(day(126), "jensen_shannon", 0.70, feature="dow"), mondays).state == "within"
    assert held(measured(day(126), "jensen_shannon", 0.75, feature="dow"), mondays).state == "out"
    shares = days(np.random.default_rng(5).uniform(0.300, 0.301, 121), "flagged_share")
    assert [held(measured(day(130), "flagged_share", v), shares).state for v in (0.27, 0.29, 0.31, 0.33)] == [
        "out", "within", "within", "out",
    ]  # fmt: skip


def test_the_same_again_whatever_else_is_measured_at_another_time() -> None:
    rng = np.random.default_rng(6)
    history = [
        *days(rng.uniform(0.2, 0.4, 150), feature="temp"),
        *days(rng.uniform(0.2, 0.4, 150), feature="wind"),
        *days(rng.uniform(0.2, 0.4, 150), "positive_share"),
    ]
    features = [measured(day(130), value=0.35, feature=name) for name in ("temp", "wind")]
    late = measured(day(130), "positive_share", 0.9)
    told_at_once = limited([*features, late], history, monitoring=Monitoring(), timezone=ZONE, now=LATER)
    apart = limited(features, history, monitoring=Monitoring(), timezone=ZONE, now=LATER)
    assert told_at_once[:2] == apart and told_at_once[2] == held(late, history)


def test_a_stable_model_alarms_as_seldom_as_is_said() -> None:
    """Days and weeks of features and outcomes together, proposed anew each month, over eight months without a change."""
    alarms, months = [], 8
    for run in range(6):
        rng = np.random.default_rng(run)
        length = 91 + round(months * DAYS_A_MONTH)
        shared = rng.normal(size=length)
        history = []
        for name in ("temp", "wind", "dest", "carrier"):
            season = 0.2 * np.sin(2 * np.pi * np.arange(length) / 7)
            values = 1 + season + 0.1 * (shared + rng.normal(size=length))
            history += days(values, feature=name)
            for week in range(length // 7):
                window = week_window(FIRST + timedelta(days=7 * week), ZONE)
                value = float(values[7 * week : 7 * week + 7].mean())
                history.append(measured(window, value=value, feature=name, state="within"))
        history += days(0.3 + 0.02 * rng.normal(size=length), "positive_share")
        future = [m for m in history if m.start >= day(91).start]
        found = limited(future, history, monitoring=Monitoring(2.0), timezone=ZONE, now=LATER)
        assert {m.basis for m in found} == {"calibrated"}
        alarms.append(len({(m.start, m.end) for m in found if m.state == "out"}) / months)
    error = np.std(alarms, ddof=1) / np.sqrt(len(alarms))
    assert error < 0.4 and 0.5 < np.mean(alarms) < 2.0 + 2 * error, alarms


def test_what_is_young_has_a_provisional_limit_beside_what_is_old() -> None:
    """Features have the days they were trained on; outcomes begin with the first answers."""
    rng = np.random.default_rng(3)
    features = days(rng.normal(0.3, 0.02, 200), feature="temp")
    shares = days(rng.normal(0.12, 0.02, 20), "positive_share", first=180, higher_is_better=None)
    window = day(200)
    [feature, outcome] = limited(
        [measured(window, value=0.3, feature="temp"), measured(window, "positive_share", 0.4, higher_is_better=None)],
        [*features, *shares], monitoring=Monitoring(), timezone=ZONE, now=LATER,
    )  # fmt: skip
    assert (feature.basis, feature.state) == ("calibrated", "within")
    assert (outcome.basis, outcome.state, outcome.side) == ("uncalibrated", "out", "above")


def test_what_was_out_of_a_provisional_limit_does_not_make_the_next_day_usual() -> None:
    rng = np.random.default_rng(4)
    calm = days(rng.normal(0.12, 0.02, 20), "positive_share", higher_is_better=None)
    moved = days([0.4, 0.41], "positive_share", first=20, higher_is_better=None, state="out", basis="uncalibrated")
    found = held(measured(day(22), "positive_share", 0.4, higher_is_better=None), [*calm, *moved])
    assert told(found)[0] == "out"
