"""What a measurement that is out says, in a sentence for somebody who was just woken up."""

from __future__ import annotations

from datetime import timedelta

from rondo.language.words import Language
from rondo.monitor.measurements import is_of_week
from rondo.records.monitoring import Measurement

_OWN_LIMIT = frozenset({"staleness_h", "unloaded_h", "data_blocked", "abrupt_ends"})
"""Measurements whose sentence itself says what is allowed."""


def sentence(measurement: Measurement, words: Language, *, false_alarms: float, cost: Measurement | None = None) -> str:
    """The effect with its interval, the rows it is of, its limit, where that comes from, and what it may cost."""
    m, told = measurement, _effect(measurement, words)
    if m.by is not None:
        told = words.plain("where {by} is {value}, {told}", by=m.by, value=m.is_, told=told)
    if m.metric not in _OWN_LIMIT:
        told = _limited(m, told, words, false_alarms)
    if cost is not None:
        told = words.plain(
            "{told}. Expected to cost {value:.3g} [{low:.3g}, {high:.3g}] of quality",
            told=told, value=cost.value, low=cost.low, high=cost.high,
        )  # fmt: skip
    begins_with_a_name = words.code == "ko" or told.startswith((m.feature or m.metric, m.metric))
    return (told if begins_with_a_name else told[0].upper() + told[1:]) + "."


def _effect(m: Measurement, words: Language) -> str:
    of = m.feature or (words.plain("the score") if m.metric.startswith("score_") else m.metric)
    value = _number(m, m.value, words) + ("" if m.metric in _OWN_LIMIT else _interval(m, words))
    said = {"of": of, "value": value, "limit": _number(m, m.limit, words), "when": _when(m, words)}
    if (distance := _distance(m, words)) is not None:
        return words.plain("{of} had moved away from training {when}: {distance} {value}", distance=distance, **said)
    return _of_data(m.metric, words, said) or _of_service(m.metric, words, said) or _of_answers(m.metric, words, said)


def _of_data(metric: str, words: Language, said: dict[str, str]) -> str | None:
    """Of sources and tables, and of the values that a model is fed."""
    match metric:
        case "staleness_h":
            return words.plain("{of} has brought nothing new for {value} h; it stays fresh for {limit} h", **said)
        case "unloaded_h":
            return words.plain("{of} has not been loaded for {value} h; {limit} h are two loads missed", **said)
        case "data_blocked":
            return words.plain(
                "{of} is blocked: its newest run failed or its checks refused it; the last good version stands", **said
            )
        case "null_shift":
            return words.plain("{of} was missing in {value} more of the rows than in training {when}", **said)
        case "out_of_range_share":
            return words.plain("{of} lay outside of all that training had seen in {value} of the values {when}", **said)
        case "unseen_share":
            return words.plain("{of} had values that training had never seen in {value} of the rows {when}", **said)
        case "skew_share":
            return words.plain(
                "{of} as served differed from what training would read in {value} of the rows {when}", **said
            )
    return None


def _of_service(metric: str, words: Language, said: dict[str, str]) -> str | None:
    match metric:
        case "abrupt_ends":
            return words.plain("{value} workers of the server were killed {when}", **said)
        case "error_share":
            return words.plain("the server failed {value} of the requests {when}", **said)
        case "latency_p99_ms":
            return words.plain("one answer in a hundred took {value} ms or longer {when}", **said)
        case "log_write_p99_ms":
            return words.plain(
                "one write of the prediction log in a hundred took {value} ms or longer {when}: a slow disk", **said
            )
        case "log_lag_s":
            return words.plain("predictions waited up to {value} s for the lake {when}", **said)
    return None


def _of_answers(metric: str, words: Language, said: dict[str, str]) -> str:
    """Of what the model answered and what came of it."""
    match metric:
        case "domain_auc":
            return words.plain(
                "rows could be told from those of training {when}: a classifier's roc_auc is {value}", **said
            )
        case "flagged_share":
            return words.plain("{value} of the answers were positive {when}", **said)
        case "positive_share":
            return words.plain("{value} of the outcomes were positive {when}", **said)
        case "calibration_residual":
            return words.plain("outcomes lay off the scores by {value} {when}", **said)
    return words.plain("{of} was {value} {when}", **said)


def _distance(m: Measurement, words: Language) -> str | None:
    """The name of a distance from training; None for what is none."""
    match m.metric.removeprefix("score_"):
        case "population_stability_index":
            return words.plain("population stability index")
        case "jensen_shannon":
            return words.plain("jensen shannon")
        case "wasserstein":
            return words.plain("wasserstein")
    return None


def _limited(m: Measurement, told: str, words: Language, false_alarms: float) -> str:
    """What was told, with the rows it is of and its limit."""
    n, limit, basis = words.whole(m.n or 0), _number(m, m.limit, words), _basis(m, words, false_alarms)
    if m.side == "below":
        return words.plain(
            "{told}, {n} rows; below its limit {limit} ({basis})", told=told, n=n, limit=limit, basis=basis
        )
    return words.plain("{told}, {n} rows; above its limit {limit} ({basis})", told=told, n=n, limit=limit, basis=basis)


def _basis(m: Measurement, words: Language, false_alarms: float) -> str:
    match m.basis:
        case "calibrated":
            return words.plain(
                "calibrated: all limits of the model together give {n:g} a month at most by chance", n=false_alarms
            )
        case "declared":
            return words.plain("declared")
    return words.plain("uncalibrated: no false-alarm rate is stated yet")


def _number(m: Measurement, value: float | None, words: Language) -> str:
    if value is None:
        return words.plain("unknown")
    if m.unit == "share":
        return f"{value:.1%}"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _interval(m: Measurement, words: Language) -> str:
    """Nothing where it is as narrow as the value is told."""
    if m.low is None or m.high is None:
        return ""
    low, high = _number(m, m.low, words), _number(m, m.high, words)
    return "" if {low, high} == {_number(m, m.value, words)} else f" [{low}, {high}]"


def _when(m: Measurement, words: Language) -> str:
    start = m.start.astimezone(words.zone)
    if is_of_week(m):
        return words.plain("in the week of {at.day} {at:%B %Y}", at=start)
    if m.end - m.start > timedelta(hours=2):
        return words.plain("on {at.day} {at:%B %Y}", at=start)
    return words.plain("from {at:%H:%M} on {at.day} {at:%B %Y}", at=start)
