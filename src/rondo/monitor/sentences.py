"""What a measurement that is out says, in a sentence for somebody who was just woken up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

from rondo.monitor.measurements import is_of_week
from rondo.records.monitoring import Measurement

_SAYS: Mapping[str, str] = {
    "staleness_h": "{of} has brought nothing new for {value} h; it stays fresh for {limit} h",
    "unloaded_h": "{of} has not been loaded for {value} h; {limit} h are two loads missed",
    "data_blocked": "{of} is blocked: its newest run failed or its checks refused it; the last good version stands",
    "abrupt_ends": "{value} workers of the server were killed {when}",
    "null_shift": "{of} was missing in {value} more of the rows than in training {when}",
    "out_of_range_share": "{of} lay outside of all that training had seen in {value} of the values {when}",
    "unseen_share": "{of} had values that training had never seen in {value} of the rows {when}",
    "skew_share": "{of} as served differed from what training would read in {value} of the rows {when}",
    "domain_auc": "rows could be told from those of training {when}: a classifier's roc_auc is {value}",
    "flagged_share": "{value} of the answers were positive {when}",
    "positive_share": "{value} of the outcomes were positive {when}",
    "calibration_residual": "outcomes lay off the scores by {value} {when}",
    "error_share": "the server failed {value} of the requests {when}",
    "latency_p99_ms": "one answer in a hundred took {value} ms or longer {when}",
    "log_write_p99_ms": "one write of the prediction log in a hundred took {value} ms or longer {when}: a slow disk",
    "log_lag_s": "predictions waited up to {value} s for the lake {when}",
}
_OWN_LIMIT = frozenset({"staleness_h", "unloaded_h", "data_blocked", "abrupt_ends"})
_DISTANCES = ("population_stability_index", "jensen_shannon", "wasserstein")


def sentence(measurement: Measurement, *, timezone: str, false_alarms: float, cost: Measurement | None = None) -> str:
    """The effect with its interval, the rows it is of, its limit, where that comes from, and what it may cost."""
    m = measurement
    of = m.feature or ("the score" if m.metric.startswith("score_") else m.metric)
    told = _SAYS.get(m.metric, "{of} was {value} {when}")
    if m.metric.removeprefix("score_") in _DISTANCES:
        told = "{of} had moved away from training {when}: {distance} {value}"
    text = told.format(
        of=of,
        value=_number(m, m.value) + ("" if m.metric in _OWN_LIMIT else _interval(m)),
        limit=_number(m, m.limit),
        when=_when(m, timezone),
        distance=m.metric.removeprefix("score_").replace("_", " "),
    )
    if m.by is not None:
        text = f"where {m.by} is {m.is_}, {text}"
    if m.metric not in _OWN_LIMIT:
        text += f", {m.n or 0:,} rows; {m.side} its limit {_number(m, m.limit)} ({_basis(m, false_alarms)})"
    if cost is not None:
        text += f". Expected to cost {cost.value:.3g} [{cost.low:.3g}, {cost.high:.3g}] of quality"
    return (text if text.startswith((m.feature or m.metric, m.metric)) else text[0].upper() + text[1:]) + "."


def _basis(m: Measurement, false_alarms: float) -> str:
    if m.basis == "calibrated":
        return f"calibrated: all limits of the model together give {false_alarms:g} a month at most by chance"
    return "declared" if m.basis == "declared" else "uncalibrated: no false-alarm rate is stated yet"


def _number(m: Measurement, value: float | None) -> str:
    if value is None:
        return "unknown"
    if m.unit == "share":
        return f"{value:.1%}"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _interval(m: Measurement) -> str:
    """Nothing where it is as narrow as the value is told."""
    ends = _number(m, m.low), _number(m, m.high)
    return "" if m.low is None or m.high is None or set(ends) == {_number(m, m.value)} else f" [{ends[0]}, {ends[1]}]"


def _when(m: Measurement, timezone: str) -> str:
    start = m.start.astimezone(ZoneInfo(timezone))
    day = f"{start.day} {start:%B %Y}"
    if is_of_week(m):
        return f"in the week of {day}"
    return f"on {day}" if m.end - m.start > timedelta(hours=2) else f"from {start:%H:%M} on {day}"
