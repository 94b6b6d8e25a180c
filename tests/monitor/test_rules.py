from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from rondo.monitor.alerting import ENGLISH, Finding, settle, standing
from rondo.monitor.rules import findings
from rondo.monitor.watched import RULES, WATCHED
from rondo.monitor.windows import Window, day_window, week_window
from rondo.records.monitoring import Alert, Measurement

MONDAY = date(2024, 3, 4)
NOW = datetime(2024, 3, 11, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def seen(
    metric: str, window: Window, *, value: float = 0.4, limit: float | None = 0.1, state: str = "out", **more: object
) -> Measurement:
    told: dict[str, Any] = {
        "name": "late", "metric": metric, "feature": None, "start": window.start, "end": window.end, "rows": 900,
        "matured": 0, "value": value, "low": 0.9 * value, "high": 1.1 * value, "limit": limit, "state": state, "n": 900,
        "unit": "", "side": "above", "basis": "declared",
    }  # fmt: skip
    return Measurement(**{**told, **more})


def day(number: int) -> Window:
    return day_window(MONDAY + timedelta(days=number), "UTC")


def week(number: int = 0) -> Window:
    return week_window(MONDAY + timedelta(days=7 * number), "UTC")


def hour(before_now: int = 0) -> Window:
    return Window(NOW - before_now * HOUR, NOW - (before_now - 1) * HOUR)


def found(measurements: Sequence[Measurement], now: datetime = NOW) -> tuple[list[Finding], set[tuple[str, str]]]:
    return findings(measurements, now=now, words=ENGLISH, false_alarms=1)


def test_every_watched_metric_has_a_known_rule() -> None:
    assert {each.rule for each in WATCHED.values() if each} <= set(RULES)


@pytest.mark.parametrize(
    ("measurement", "rule", "about", "severity"),
    [
        (seen("staleness_h", hour(), feature="weather_raw", value=5.0, limit=4.0), "stale data", "weather_raw", "warning"),
        (seen("staleness_h", hour(), feature="weather_raw", value=8.0, limit=4.0), "stale data", "weather_raw", "critical"),
        (seen("data_blocked", hour(200), feature="weather", value=1.0, limit=0.0), "data blocked", "weather", "critical"),
        (seen("null_shift", day(6), feature="w.temp"), "missing values", "feature w.temp", "warning"),
        (seen("out_of_range_share", day(6), feature="x"), "values out of range", "feature x", "warning"),
        (seen("unseen_share", day(6), feature="dest"), "unseen values", "feature dest", "warning"),
        (seen("skew_share", day(6), feature="w.temp"), "skew", "feature w.temp", "warning"),
        (seen("wasserstein", day(6), feature="x", basis="calibrated"), "drift", "feature x", "warning"),
        (seen("score_jensen_shannon", week(), basis="calibrated"), "drift", "score_jensen_shannon", "warning"),
        (seen("roc_auc", week(), higher_is_better=True), "quality", "roc_auc", "critical"),
        (seen("roc_auc", week(), higher_is_better=True, by="origin", is_="JFK"), "quality", "origin=JFK", "critical"),
        (seen("estimated_roc_auc", week(), higher_is_better=True, basis="calibrated"), "quality", "estimated_roc_auc", "warning"),
        (seen("calibration_residual", week(), basis="calibrated"), "calibration", "calibration_residual", "warning"),
        (seen("error_share", hour(1)), "service errors", "error_share", "critical"),
        (seen("abrupt_ends", hour(1), value=1.0, limit=0.0), "service errors", "abrupt_ends", "warning"),
        (seen("latency_p99_ms", hour(), value=90.0, limit=20.0), "latency", "latency_p99_ms", "warning"),
        (seen("log_write_p99_ms", hour(), value=400.0, limit=100.0), "prediction log", "log_write_p99_ms", "warning"),
    ],
)  # fmt: skip
def test_what_is_out_is_found_by_its_rule(measurement: Measurement, rule: str, about: str, severity: str) -> None:
    [finding], examined = found([measurement])
    assert (finding.model, finding.rule, finding.about, finding.severity) == ("late", rule, about, severity)
    assert examined == {("late", rule)}
    within, examined = found([msgspec.structs.replace(measurement, state="within")])
    assert within == [] and examined == {("late", rule)}


@pytest.mark.parametrize(
    ("measurement", "said"),
    [
        (
            seen("staleness_h", hour(), feature="weather_raw", value=30.0, limit=4.0),
            "weather_raw has brought nothing new for 30 h; it stays fresh for 4 h.",
        ),
        (
            seen("null_shift", day(6), feature="w.temp", unit="share"),
            "w.temp was missing in 40.0% [36.0%, 44.0%] more of the rows than in training on 10 March 2024, 900 rows; "
            "above its limit 10.0% (declared).",
        ),
        (
            seen("population_stability_index", week(), feature="x", value=1.25, basis="uncalibrated"),
            "x had moved away from training in the week of 4 March 2024: population stability index 1.25 "
            "[1.125, 1.375], 900 rows; above its limit 0.1 (uncalibrated: no false-alarm rate is stated yet).",
        ),
        (
            seen("roc_auc", week(), value=0.5, limit=0.7, side="below", higher_is_better=True, by="origin", is_="JFK"),
            "Where origin is JFK, roc_auc was 0.5 [0.45, 0.55] in the week of 4 March 2024, 900 rows; below its limit "
            "0.7 (declared).",
        ),
        (
            seen("positive_share", day(6), unit="share", basis="calibrated"),
            "40.0% [36.0%, 44.0%] of the outcomes were positive on 10 March 2024, 900 rows; above its limit 10.0% "
            "(calibrated: all limits of the model together give 1 a month at most by chance).",
        ),
        (
            seen("error_share", hour(1), unit="share", n=12_000),
            "The server failed 40.0% [36.0%, 44.0%] of the requests from 05:00 on 11 March 2024, 12,000 rows; above its "
            "limit 10.0% (declared).",
        ),
    ],
)  # fmt: skip
def test_a_summary_says_effect_rows_limit_and_where_it_comes_from(measurement: Measurement, said: str) -> None:
    assert [finding.summary for finding in found([measurement])[0]] == [said]


def test_drift_that_costs_most_is_told_first_and_says_what_it_costs() -> None:
    far = seen("wasserstein", week(), feature="far", value=9.0, basis="calibrated")
    dear = seen("wasserstein", week(), feature="dear", value=0.2, basis="calibrated")
    cost = seen("expected_loss", week(), feature="dear", value=0.012, limit=None, state="no limit", basis=None)
    assert [finding.about for finding in found([far, dear])[0]] == ["feature far", "feature dear"]
    told = found([far, dear, cost])[0]
    assert [finding.about for finding in told] == ["feature dear", "feature far"]
    assert told[0].summary.endswith("Expected to cost 0.012 [0.0108, 0.0132] of quality.")
    unsure = msgspec.structs.replace(cost, low=-0.001)
    assert [finding.about for finding in found([far, dear, unsure])[0]] == ["feature far", "feature dear"]


def test_of_one_feature_the_worst_measurement_speaks() -> None:
    several = [
        seen("wasserstein", day(6), feature="x", value=0.2, basis="calibrated"),
        seen("jensen_shannon", day(6), feature="x", value=0.9, basis="calibrated"),
        seen("jensen_shannon", week(), feature="x", value=0.11, basis="calibrated"),
    ]
    [finding], _ = found(several)
    assert "jensen shannon 0.9" in finding.summary


def test_a_window_that_runs_counts_for_service_alone() -> None:
    assert found([seen("null_shift", day(7), feature="x")]) == ([], set())
    assert found([seen("roc_auc", week(1), higher_is_better=True)]) == ([], set())
    assert len(found([seen("error_share", hour())])[0]) == 1


@pytest.mark.parametrize("state", ["unexamined", "no limit", "uncalibrated"])
def test_what_has_no_limit_was_not_examined(state: str) -> None:
    limit = 0.1 if state == "unexamined" else None
    assert found([seen("wasserstein", day(6), feature="x", state=state, limit=limit)]) == ([], set())


def test_only_the_newest_window_of_data_health_counts() -> None:
    before, after = seen("null_shift", day(3), feature="x"), seen("null_shift", day(6), feature="x", state="within")
    assert len(found([before])[0]) == 1
    assert found([before, after]) == ([], {("late", "missing values")})
    gone = seen("null_shift", day(6), feature="y", state="within")  # x is fed no more
    assert found([before, gone]) == ([], {("late", "missing values")})
    assert found([seen("null_shift", week(), feature="x"), after]) == ([], {("late", "missing values")})
    assert len(found([seen("null_shift", week(), feature="x")])[0]) == 1  # no days are measured


@pytest.mark.parametrize(("metric", "basis"), [("wasserstein", "calibrated"), ("null_shift", "declared")])
def test_a_day_that_was_out_holds_for_three(metric: str, basis: str) -> None:
    out = seen(metric, day(3), feature="x", basis=basis)
    calm = [seen(metric, day(n), feature="x", state="within", basis=basis) for n in (4, 5, 6)]
    assert [len(found([out, *calm[:n]])[0]) for n in range(4)] == [1, 1, 1, 0]


def test_an_old_look_at_data_or_service_says_nothing_but_a_block_stands() -> None:
    stale = seen("staleness_h", hour(30), feature="w", value=9.0, limit=4.0)
    failed = seen("error_share", hour(30))
    blocked = seen("data_blocked", hour(300), feature="w", value=1.0, limit=0.0)
    assert found([stale, failed]) == ([], set())
    assert [finding.rule for finding in found([stale, blocked])[0]] == ["data blocked"]
    mended = seen("data_blocked", hour(1), feature="w", value=0.0, limit=0.0, state="within")
    assert found([blocked, mended]) == ([], {("late", "data blocked")})


def test_days_of_service_are_left_to_its_hours() -> None:
    assert found([seen("error_share", day(7))]) == ([], set())


def test_a_silent_feed_opens_one_alert_worsens_and_is_over_when_it_is_back() -> None:
    alerts: list[Alert] = []
    told = []
    for hours, age_h in ((1, 1), (3, 3), (5, 5), (9, 9), (10, 10), (11, 0)):
        now = NOW + hours * HOUR
        state = "out" if age_h >= 4 else "within"
        stale = seen(
            "staleness_h", Window(now, now + HOUR), feature="weather_raw", value=float(age_h), limit=4.0, state=state
        )
        changes = settle(*found([stale], now), alerts, now)
        alerts = changes or alerts
        told += [(hours, change.event, change.severity) for change in changes]
    assert told == [
        (5, "opened", "warning"), (9, "worsened", "critical"), (10, "changed", "critical"), (11, "resolved", "critical"),
    ]  # fmt: skip
    assert standing(alerts) == []
