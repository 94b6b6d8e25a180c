"""An estimate of a window as the ledger keeps it."""

from __future__ import annotations

from rondo.monitor.windows import Window
from rondo.records.monitoring import Measurement
from rondo.stats.results import Estimate


def measurement_of(
    model: str,
    estimate: Estimate,
    window: Window,
    *,
    rows: int,
    version: int | None = None,
    matured: int = 0,
    feature: str | None = None,
    by: str | None = None,
    of: object = None,
    outcomes: int | None = None,
) -> Measurement:
    """The measurement of a window's `rows`, under the `version` of the model that it is of; its limit comes later."""
    return Measurement(
        name=model,
        metric=estimate.name,
        feature=feature,
        start=window.start,
        end=window.end,
        rows=rows,
        matured=matured,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        limit=None,
        state="unexamined" if estimate.value is None else "no limit",
        unit=estimate.unit,
        model_version=version,
        outcomes=outcomes,
        n=estimate.n,
        higher_is_better=estimate.higher_is_better,
        by=by,
        is_=of if isinstance(of, str | int | float | bool | None) else str(of),
    )
