"""Two versions on the same rows; and with what was said of the one when it was judged, what has changed since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from rondo.deploy.resolving import version_record
from rondo.develop.comparing import compare as compare_rows
from rondo.develop.decomposing import Figured, Reported, decompose
from rondo.develop.evaluating import figures, judge_rows, with_labels
from rondo.develop.judging import main_metric, metrics_for
from rondo.errors import RondoError
from rondo.loop.versions import (
    TEST,
    examples_of,
    model_of,
    packed_version,
    relations_for,
    rows_seen,
    signature_of,
    test_examples_of,
    test_split,
)
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.records.development import Candidate, Comparison, Evaluation, Figure, Split, Version
from rondo.records.tables import CARRIED
from rondo.records.versions import model_version
from rondo.sql.engine import connect, literal, quote, to_batches
from rondo.stats.metrics import Metric

if TYPE_CHECKING:
    import pyarrow as pa

Named = tuple[str, int]


def metrics_of(work: Workplace, model: Model) -> tuple[Metric, ...]:
    """The metrics of a model, those that only its PRD names included."""
    prd = work.project.prds.get(model.name)
    asked = [r.metric for r in prd.requirements if r.metric] if prd else []
    return metrics_for(model, work.project.metrics, also=asked)


def compare(work: Workplace, a: Named, b: Named, testset: str = TEST) -> Comparison:
    """The paired difference a − b on the same rows: those of a test set, or of the test split of `a`. Recorded."""
    found = _compared(work, a, b, testset)[0]
    work.store.ledger.append(found, by=work.by)
    return found


def compare_whole(
    work: Workplace, a: Named, b: Named, testset: str = TEST, *, then: datetime | None = None
) -> Comparison:
    """`compare`, by slice too, and split from what was reported of `b` until `then` (None: first) to `a` now."""
    found, rows_of_b = _compared(work, a, b, testset, sliced=True)
    judged = [b] if testset == TEST else [a, b]  # nobody is trained on its own test split
    found = msgspec.structs.replace(
        found, split=_split(work, b, found, rows_of_b, then), seen=_seen(work, judged, rows_of_b)
    )
    work.store.ledger.append(found, by=work.by)
    return found


def _compared(
    work: Workplace, a: Named, b: Named, testset: str, *, sliced: bool = False
) -> tuple[Comparison, pa.Table]:
    """The comparison, and the rows as `b` is fed them."""
    of_a, of_b = version_record(work.store.ledger, *a), version_record(work.store.ledger, *b)
    model = work.project.model(of_a.name)
    metrics = metrics_of(work, model)
    rows, others = _same_rows(work, of_a, of_b, testset)
    carried = [by for by in model.slices if by in rows.column_names or CARRIED + by in rows.column_names]
    found = compare_rows(
        packed_version(work, *a), packed_version(work, *b), rows, others, names=(model_version(*a), model_version(*b)),
        testset=testset, metrics=metrics, main=main_metric(model, metrics).name, slices=carried if sliced else (),
        seed=of_a.seed,
    )  # fmt: skip
    return found, rows if others is None else others


def _same_rows(work: Workplace, a: Version, b: Version, testset: str) -> tuple[pa.Table, pa.Table | None]:
    """The same examples as either version is fed them (None: as the first is)."""
    alike = signature_of(work, a.name, a.version) == signature_of(work, b.name, b.version)
    if testset == TEST and alike:
        return test_split(work, a), None
    with test_examples_of(work, a) if testset == TEST else examples_of(work, a.name, testset) as examples:
        first = examples.joined(signature_of(work, a.name, a.version), relations_for(work, a))
        return first, None if alike else examples.joined(signature_of(work, b.name, b.version), relations_for(work, b))


def _split(work: Workplace, b: Named, found: Comparison, rows_now: pa.Table, then: datetime | None) -> Split:
    """What was reported of `b`, remade with the metric, the labels and the rows of now in turn."""
    version = version_record(work.store.ledger, *b)
    model = model_of(work, version)
    metric = main_metric(model, metrics_of(work, model))
    reported, unreported = _reported(work, version, metric.name, then)
    counted = relabelled = Figured(None, unreported)
    apart = False
    if reported is not None:
        try:
            rows = test_split(work, version)
            if rows.num_rows == reported.rows:
                counted = Figured(_figure(work, version, rows, metric))
                relabelled, apart = _relabelled(work, model, version, rows, metric), _apart(rows, rows_now)
            else:
                gone = f"{reported.rows - rows.num_rows:,} of its {reported.rows:,} test rows have been erased since"
                counted = relabelled = Figured(None, gone)
        except RondoError as error:
            counted = relabelled = Figured(None, error.message)
    moved = Figured(_figure(work, version, with_labels(rows_now, found.testset), metric))
    return decompose(
        reported, counted, relabelled, moved, found.metrics[metric.name], metric=metric.name, apart=apart,
        unreported=unreported,
    )  # fmt: skip


def _reported(
    work: Workplace, version: Version, metric: str, then: datetime | None
) -> tuple[Reported | None, str | None]:
    """What was said of a version by the metric it was made for, or why that is not known."""
    ledger, whole = work.store.ledger, model_version(version.name, version.version)
    where = {"testset": TEST}
    judged = ledger.entries(Evaluation, name=version.name, version=version.version, until=then, where=where)
    if not judged:
        return None, f"no evaluation of {whole} on its test split was recorded by then"
    entry = judged[0] if then is None else judged[-1]
    tried = ledger.latest(Candidate, name=version.name, where={"dataset": version.dataset, "chosen": True})
    named = tried.record.metric if tried else metric
    figure = entry.record.metrics.get(named)
    if figure is None:
        return None, f"the evaluation of {whole} does not tell {named}"
    return Reported(named, figure, entry.record.rows, entry.at), None


def _figure(work: Workplace, version: Version, rows: pa.Table, metric: Metric) -> Figure:
    judged = judge_rows(packed_version(work, version.name, version.version), rows)
    return figures(judged, [metric], seed=version.seed)[metric.name]


def _relabelled(work: Workplace, model: Model, version: Version, rows: pa.Table, metric: Metric) -> Figured:
    """The figure on the same rows with the labels that the examples have now."""
    signature = signature_of(work, version.name, version.version)
    if not signature.key:
        return Figured(None, "the examples have no key by which their labels could be found again")
    time = work.project.tables[model.examples].time
    pairs = [(_column(rows, column.name), quote(column.name)) for column in signature.key]
    pairs += [("moment", f"{quote(time)}::timestamptz")] if signature.time and time else []
    found = _labels_now(work, model, rows, pairs)
    absent = found.num_rows - sum(found.column("found").to_pylist())
    field = rows.schema.field("label")
    relabelled = rows.set_column(rows.column_names.index("label"), field, found.column("label").cast(field.type))
    note = f"{absent:,} of the rows have no label now and keep the one of then" if absent else None
    return Figured(_figure(work, version, relabelled, metric), note)


def _labels_now(work: Workplace, model: Model, rows: pa.Table, pairs: Sequence[tuple[str, str]]) -> pa.Table:
    """For each row the label that its example has now (`found`), or else its own; `pairs` say what finds it."""
    examples = work.project.tables[model.examples]
    label = quote(examples.label or "")
    if examples.label_known:
        label = f"case when {quote(examples.label_known)}::timestamptz <= {literal(work.now())} then {label} end"
    keys = [f"_key{n}" for n in range(len(pairs))]
    known = ", ".join(f"{of_now} as {key}" for key, (_, of_now) in zip(keys, pairs, strict=True))
    con = connect(timezone=work.project.settings.timezone)
    try:
        con.register(
            "_rondo_then", rows.select([*(name for name, _ in pairs), "label"]).rename_columns([*keys, "label"])
        )
        query = (
            "select coalesce(any_value(n._now), any_value(t.label)) as label, any_value(n._now) is not null as found "
            "from (select row_number() over () as _place, * from _rondo_then) as t left join "
            f"(select {known}, {label} as _now from {work.catalog.relation(model.examples)}) as n "
            f"using ({', '.join(keys)}) group by _place order by _place"
        )
        return to_batches(con, query).read_all()
    finally:
        con.close()


def _seen(work: Workplace, versions: Sequence[Named], rows: pa.Table) -> dict[str, int]:
    """How many of the rows are of the days that each version was trained on, where any are."""
    found = {model_version(*each): rows_seen(work, version_record(work.store.ledger, *each), rows) for each in versions}
    return {version: count for version, count in found.items() if count}


def _column(rows: pa.Table, name: str) -> str:
    return name if name in rows.column_names else CARRIED + name


def _apart(then: pa.Table, now: pa.Table) -> bool:
    """Whether two sets of rows share no moment: only then do they err on their own."""
    import pyarrow.compute as pc

    if not ("moment" in then.column_names and "moment" in now.column_names and then.num_rows and now.num_rows):
        return False
    (first, last), (begin, end) = (pc.min_max(rows.column("moment")).as_py().values() for rows in (then, now))
    return bool(last < begin or end < first)
