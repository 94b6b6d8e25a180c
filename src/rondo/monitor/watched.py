"""What each measurement is watched for: its rule, on which side it can be wrong, and its limit by default.

A limit by default is of data and service health, where anybody would agree to it; where data strayed farther before,
history may raise it. All else has limits from history, and what moves by less than its `least` is told to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rondo.records.monitoring import Measurement
from rondo.stats.limits import Side

RULES = (
    "stale data", "data blocked", "missing values", "values out of range", "unseen values", "skew", "drift", "quality",
    "calibration", "service errors", "latency", "prediction log",
)  # fmt: skip
Together = Literal["features", "outcomes", "estimates", "sample", "service", "data"]


@dataclass(frozen=True)
class Watched:
    """`together`: measurements of a window that are made at the same time. Without a `limit` it comes from history, and
    lies `least` away from what is usual at least. One that `learns` has a limit that history may raise, `MOST_RAISED`
    times at most.
    """

    rule: str
    side: Side
    together: Together
    limit: float | None = None
    least: float = 0.0
    learns: bool = False


MOST_RAISED = 5
_DISTANCES = {"population_stability_index": 0.1, "jensen_shannon": 0.02, "wasserstein": 0.1}
WATCHED: Mapping[str, Watched | None] = {
    "staleness_h": Watched("stale data", "above", "data"),
    "unloaded_h": Watched("stale data", "above", "data"),
    "data_blocked": Watched("data blocked", "above", "data"),
    "null_shift": Watched("missing values", "above", "features", 0.10, learns=True),
    "out_of_range_share": Watched("values out of range", "above", "features", 0.05, learns=True),
    "unseen_share": Watched("unseen values", "above", "features", 0.05, learns=True),
    "skew_share": Watched("skew", "above", "sample", 0.01),
    **{name: Watched("drift", "above", "features", least=least) for name, least in _DISTANCES.items()},
    **{"score_" + name: Watched("drift", "above", "features", least=least) for name, least in _DISTANCES.items()},
    "flagged_share": Watched("drift", "both", "features", least=0.02),
    "domain_auc": Watched("drift", "above", "sample", least=0.05),
    "positive_share": Watched("drift", "both", "outcomes", least=0.02),
    "outcome_share": Watched("drift", "both", "outcomes", least=0.02),
    "outcome_mean": Watched("drift", "both", "outcomes"),
    "estimate_error": Watched("quality", "both", "outcomes"),
    "expected_calibration_error": Watched("calibration", "above", "outcomes", least=0.02),
    "calibration_residual": Watched("calibration", "both", "outcomes", least=0.02),
    "calibration_intercept": Watched("calibration", "both", "outcomes", least=0.1),
    "calibration_slope": Watched("calibration", "both", "outcomes", least=0.1),
    "error_share": Watched("service errors", "above", "service", 0.01),
    "abrupt_ends": Watched("service errors", "above", "service"),
    "latency_p50_ms": Watched("latency", "above", "service"),
    "latency_p99_ms": Watched("latency", "above", "service"),
    "log_write_p99_ms": Watched("prediction log", "above", "service", 100.0),
    "log_lag_s": Watched("prediction log", "above", "service", 26 * 3_600.0),
}
"""By metric. Latency has a limit where the PRD or `[monitoring]` gives one; what is measured with its own keeps it."""

_TOLD = frozenset(
    {
        "rows", "rows_with_missing_inputs", "null_share", "outcomes_known_share", "estimates_held", "estimate_bias",
        "expected_loss", "expected_loss_interaction", "expected_change", "realised_loss", "requests", "requests_per_s",
        "refused_share",
    }
)  # fmt: skip
"""Measurements that are told, and watched only where somebody declares a limit."""


def watched(measurement: Measurement) -> Watched | None:
    """What it is watched for: any other metric of which one way is better is quality, as is its estimate."""
    metric, better = measurement.metric, measurement.higher_is_better
    if metric in WATCHED:
        return WATCHED[metric]
    if metric in _TOLD or better is None:
        return None
    together: Together = "estimates" if metric.startswith("estimated_") else "outcomes"
    return Watched("quality", "below" if better else "above", together)


def is_from_history(each: Watched) -> bool:
    """Whether history has a say in its limits where nobody declares one."""
    return each.learns or (each.limit is None and each.together not in ("service", "data"))
