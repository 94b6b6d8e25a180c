"""The way back: which version a roll-back would put to work, and what is known of how it would do."""

from __future__ import annotations

from dataclasses import dataclass

from rondo.deploy.rollout import before_production, roles
from rondo.develop.judging import main_metric, metrics_for
from rondo.loop.workplace import Workplace
from rondo.records.development import Comparison, Version
from rondo.records.versions import model_version
from rondo.store.ledger import LedgerReader

COMPARED = 50


@dataclass(frozen=True)
class WayBack:
    """From `version` to `behind`. `difference` is the metric of `behind` less that of `version` on `testset`, with its
    interval; None where the two were not compared. `reads_alike` says whether both read the same tables.
    """

    model: str
    version: str
    behind: str
    metric: str
    testset: str | None = None
    rows: int | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    reads_alike: bool | None = None


def way_back(work: Workplace, model: str) -> WayBack | None:
    """None where nothing is in production, or nothing was before."""
    ledger, held = work.store.ledger, roles(work.store.ledger, model).get("production")
    behind = before_production(ledger, model)
    if held is None or behind is None:
        return None
    declared = work.project.model(model)
    version, before = model_version(model, held.record.version), model_version(model, behind)
    plain = WayBack(
        model=model,
        version=version,
        behind=before,
        metric=main_metric(declared, metrics_for(declared, work.project.metrics)).name,
        reads_alike=_reads_alike(ledger, model, held.record.version, behind),
    )
    compared = ledger.entries(Comparison, name=model, limit=COMPARED, newest_first=True)
    found = next((entry.record for entry in compared if {entry.record.a, entry.record.b} == {version, before}), None)
    figure = found.metrics.get(plain.metric) if found else None
    if found is None or figure is None or figure.difference is None:
        return plain
    sign = 1 if found.a == before else -1
    low, high = (figure.low, figure.high) if sign > 0 else (_minus(figure.high), _minus(figure.low))
    return WayBack(
        model, version, before, plain.metric, found.testset, found.rows, sign * figure.difference, low, high,
        plain.reads_alike,
    )  # fmt: skip


def _reads_alike(ledger: LedgerReader, model: str, version: int, behind: int) -> bool | None:
    now, then = (ledger.latest(Version, name=model, version=number) for number in (version, behind))
    return None if now is None or then is None else set(now.record.pinned) == set(then.record.pinned)


def _minus(value: float | None) -> float | None:
    return None if value is None else -value
