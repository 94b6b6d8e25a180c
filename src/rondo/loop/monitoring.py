"""`monitor`: predictions and outcomes brought into the lake, then windows of live traffic measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from rondo.data.erasing import expire_inbox
from rondo.data.labels import Identified, collect_inbox, current_outcomes, land_outcomes
from rondo.data.labels import column_of as outcome_column
from rondo.deploy.erasing import expire
from rondo.deploy.logged import column_of
from rondo.deploy.predictions import compact, identify
from rondo.deploy.rollout import roles
from rondo.develop.judging import main_metric, metrics_for
from rondo.loop.planning import newest
from rondo.loop.versions import dataset_of, packed_version, signature_of, test_split
from rondo.loop.workplace import Workplace
from rondo.models.encoding import encode_table
from rondo.monitor.cohorts import Cohort, cohort_of, cohort_query
from rondo.monitor.measurements import Remembered, record
from rondo.monitor.measuring import Measured, measure
from rondo.project.models import Model
from rondo.records.development import Version
from rondo.records.documents import moment_text
from rondo.records.progress import Progress, silent
from rondo.records.tables import Input
from rondo.sql.engine import connect
from rondo.sql.relations import rows_of

CALIBRATION = "expected_calibration_error"


def collect(work: Workplace, model: Model, *, progress: Progress = silent) -> None:
    """Bring what was logged and what is known of outcomes into the lake."""
    entry = work.store.ledger.latest(Version, name=model.name)
    if entry is None:
        return
    progress(None, f"collecting predictions and outcomes of {model.name}")
    signature = signature_of(work, model.name, entry.record.version)
    compact(work.store, signature, by=work.by, now=work.now())
    keep_s = work.project.settings.serving.keep_s
    if keep_s is not None:
        expire(work.store, signature, keep_s=keep_s, by=work.by, now=work.now())

    def identified(ids: Collection[str]) -> Mapping[str, Identified]:
        return {each: (model.name, *about) for each, about in identify(work.store, model.name, ids).items()}

    collect_inbox(model, project=work.project, store=work.store, identify=identified, now=work.now(), by=work.by)
    if keep_s is not None:
        expire_inbox(work.project, work.store, keep_s=keep_s, now=work.now())
    table = newest(work.store.ledger, model.examples)
    if table is not None and work.project.tables[model.examples].time:
        land_outcomes(
            model,
            project=work.project,
            store=work.store,
            relation=f"(select * from {rows_of(table, work.store.lake)})",
            table_version=Input(name=table.name, version=table.version, definition=table.definition),
            now=work.now(),
            by=work.by,
        )


def monitor(work: Workplace, model: Model, *, progress: Progress = silent) -> dict[str, Any]:
    """The `monitor` document of a model: every week of its traffic, measured now."""
    collect(work, model, progress=progress)
    measured = measure_model(work, model, progress=progress)
    taken = [each for window in measured for each in window.measurements]
    record(work.store.ledger, taken, Remembered(work.store.ledger, model.name), by=work.by)
    return {"model": model.name, "windows": [_window(each) for each in measured]}


def _window(measured: Measured) -> dict[str, Any]:
    return {
        "from": moment_text(measured.window.start),
        "to": moment_text(measured.window.end),
        "rows": measured.rows,
        "matured": measured.matured,
        "measurements": [
            {
                "name": m.metric,
                "feature": m.feature,
                "value": m.value,
                "low": m.low,
                "high": m.high,
                "limit": m.limit,
                "state": m.state,
            }
            for m in measured.measurements
        ],
    }


def measure_model(work: Workplace, model: Model, *, progress: Progress = silent) -> list[Measured]:
    """Measurements of a model's weeks, none where it has answered nothing from production."""
    at_work = roles(work.store.ledger, model.name)
    if "production" not in at_work:
        return []
    number = at_work["production"].record.version
    cohort = answered(work, model, number)
    if cohort is None:
        return []
    progress(None, f"measuring {model.name}")
    metrics = metrics_for(model, work.project.metrics)
    chosen = [m for m in metrics if m.name in (main_metric(model, metrics).name, CALIBRATION)]
    prd = work.project.prds.get(model.name)
    return measure(
        model.name,
        cohort,
        chosen,
        reference=_reference(work, model, number),
        timezone=work.project.settings.timezone,
        requirements=prd.requirements if prd else (),
        outcomes=work.store.lake.version(f"outcomes/{model.name}"),
    )


def answered(work: Workplace, model: Model, number: int) -> Cohort | None:
    """What production has answered, with what became of it; None before the first answer."""
    lake = work.store.lake
    live = work.catalog.live(model.name)
    if lake.version(f"predictions/{model.name}") is None and live is None:
        return None
    signature = packed_version(work, model.name, number).signature
    con = connect(timezone=work.project.settings.timezone)
    try:
        work.catalog.publish(con, f"predictions.{model.name}")
        outcomes = None
        if lake.version(f"outcomes/{model.name}") is not None:
            work.catalog.publish(con, f"outcomes.{model.name}")
            outcomes = current_outcomes(f'"outcomes"."{model.name}"', model, work.project, as_of=work.now())
        query = cohort_query(
            signature,
            f'"predictions"."{model.name}"',
            outcomes,
            keys=[(column_of(column.name, "key"), outcome_column(column.name)) for column in signature.key],
            label_delay_s=label_delay_s(work, model, number),
            now=work.now(),
        )
        return cohort_of(con.sql(query).to_arrow_table(), signature)
    finally:
        con.close()


def label_delay_s(work: Workplace, model: Model, number: int) -> float:
    """How long after its moment a row's outcome is due: declared, or the longest seen in training."""
    declared = work.project.tables[model.examples].label_delay_s
    if declared is not None:
        return float(declared)
    entry = work.store.ledger.latest(Version, name=model.name, version=number)
    seen = dataset_of(work, entry.record).label_delay_s if entry else None
    return seen or 0.0


def _reference(work: Workplace, model: Model, number: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Scores of the version's own test rows."""
    entry = work.store.ledger.latest(Version, name=model.name, version=number)
    if entry is None:
        return None
    packed = packed_version(work, model.name, number)
    rows = test_split(work, entry.record)
    return packed.score(encode_table(packed.encoder, rows)) if rows.num_rows else None
