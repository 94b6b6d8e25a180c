"""What was logged, and what became known of it, brought into the lake: predictions, outcomes, the service's counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from rondo.data.erasing import expire_inbox
from rondo.data.labels import Identified, collect_inbox, land_outcomes
from rondo.deploy.erasing import expire
from rondo.deploy.predictions import compact, identify
from rondo.deploy.servicing import land
from rondo.features.signature import Signature
from rondo.loop.planning import newest
from rondo.loop.versions import signature_of
from rondo.loop.workplace import Workplace
from rondo.monitor.freshness import Newest
from rondo.project.models import Model
from rondo.records.development import Version
from rondo.records.progress import Progress, silent
from rondo.records.tables import Input
from rondo.sql.relations import rows_of


@dataclass(frozen=True)
class Known:
    """What is known at a moment where the lake does not say: in a replay, whose tables are built only now and then.

    `newest` says when the newest row of each source and table became known, `examples` stands for the examples that
    have become known since the last look, `relations` for all rows of looked-up tables, by name.
    """

    newest: Newest
    examples: str
    relations: Mapping[str, str]


def collect(
    work: Workplace, model: Model, *, known: Known | None = None, progress: Progress = silent
) -> datetime | None:
    """Bring what was logged and what is known of outcomes into the lake. Answers the beginning of the earliest period
    of service that landed, None without any.
    """
    entry = work.store.ledger.latest(Version, name=model.name)
    if entry is None:
        return None
    progress(None, f"collecting predictions and outcomes of {model.name}")
    signature = signature_of(work, model.name, entry.record.version)
    compact(work.store, signature, by=work.by, now=work.now())
    _collect_reported(work, model, signature)
    _land_labels(work, model, known)
    return land(work.store, model.name, now=work.now())


def _collect_reported(work: Workplace, model: Model, signature: Signature) -> None:
    """Outcomes that came to the server; what is older than it is kept for goes."""
    keep_s = work.project.settings.serving.keep_s
    if keep_s is not None:
        expire(work.store, signature, keep_s=keep_s, by=work.by, now=work.now())

    def identified(ids: Collection[str]) -> Mapping[str, Identified]:
        return {each: (model.name, *about) for each, about in identify(work.store, model.name, ids).items()}

    collect_inbox(model, project=work.project, store=work.store, identify=identified, now=work.now(), by=work.by)
    if keep_s is not None:
        expire_inbox(work.project, work.store, keep_s=keep_s, now=work.now())


def _land_labels(work: Workplace, model: Model, known: Known | None) -> None:
    """Outcomes that the examples table tells, or that a replay's history tells."""
    table = newest(work.store.ledger, model.examples)
    if table is None or not work.project.tables[model.examples].time:
        return
    land_outcomes(
        model,
        project=work.project,
        store=work.store,
        relation=known.examples if known else f"(select * from {rows_of(table, work.store.lake)})",
        table_version=Input(name=table.name, version=table.version, definition=table.definition),
        now=work.now(),
        by=work.by,
    )
