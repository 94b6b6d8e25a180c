"""Answered rows with what became of them: predictions of the version in production, joined to outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rondo.features.signature import Signature
from rondo.sql.engine import literal, quote

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
SLICE = "slice."
FED = "fed."
"""What a cohort's query puts before columns to slice by, and before what the model was fed."""


@dataclass(frozen=True)
class Cohort:
    """Rows by event time. `event_us` (n,); `score` (n,) or (n, classes); `label` (n,) class numbers (regression: none).

    `truth` (n,) is NaN where no outcome is known; `matured` (n,) says that one was due by now; `missing` (n,) counts
    the inputs that were not given; `version` (n,) is whole. `slices` maps columns to slice by to their values (n,).
    """

    event_us: npt.NDArray[np.int64]
    score: Floats
    label: npt.NDArray[np.int64]
    truth: Floats
    matured: npt.NDArray[np.bool_]
    missing: npt.NDArray[np.int64]
    version: npt.NDArray[np.object_]
    slices: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.event_us)

    def where(self, rows: npt.NDArray[np.bool_ | np.int64]) -> Cohort:
        """The rows chosen."""
        return Cohort(
            self.event_us[rows], self.score[rows], self.label[rows], self.truth[rows], self.matured[rows],
            self.missing[rows], self.version[rows], {by: values[rows] for by, values in self.slices.items()},
        )  # fmt: skip


def cohort_query(
    signature: Signature,
    predictions: str,
    outcomes: str | None,
    *,
    keys: Sequence[tuple[str, str]],
    label_delay_s: float,
    now: datetime,
    slices: Mapping[str, str] | None = None,
    fed: Mapping[str, str | None] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    version: str | None = None,
    rows: int | None = None,
) -> str:
    """Answered rows (production's, the last answer to each question) with their outcome, if one is known.

    `keys` pairs each key column's name among the predictions with its name among the outcomes; where a key is not
    whole, or there is none, the question is the prediction itself, and its outcome is found by its id. `slices` maps
    columns to slice by to their names among the predictions, and `fed` what the model is fed (None: not there). Rows of
    events from `since` to before `until` alone, of one `version`, and of these as many `rows`, the same each time.
    """
    event = event_of(signature)
    output = {"binary": "p.score", "multiclass": "p.scores", "regression": "p.value"}[signature.task]
    label = "null" if signature.task == "regression" else 'p."label"'
    key = [f"p.{quote(name)}" for name, _ in keys]
    whole = " and ".join(f"{name} is not null" for name in key) or "false"
    question = ", ".join([*key, "p.moment", f"case when {whole} then null else p.id end"])
    once = f"qualify row_number() over (partition by {question} order by p.at desc, p.id desc) = 1"
    matured = f"{event} + to_microseconds({round(label_delay_s * 1e6)}) <= {literal(now)}"
    columns = f"epoch_us({event}) as event_us, {output} as score, {label} as label, p.missing, p.version"
    columns += "".join(f", p.{quote(column)} as {quote(SLICE + by)}" for by, column in (slices or {}).items())
    columns += "".join(
        f", {'null' if column is None else f'p.{quote(column)}'} as {quote(FED + name)}"
        for name, column in (fed or {}).items()
    )
    of_version = "" if version is None else f" and p.version = {literal(version)}"
    where = f"p.role = 'production'{within(event, since, until)}{of_version}"
    answered = f"select * from {predictions} as p where {where} {once}"
    if rows is not None:
        answered = f"select * from ({answered}) as p order by md5(p.id), p.id limit {rows}"
    if outcomes is None:
        return f"select {columns}, null as outcome, {matured} as matured from ({answered}) as p order by event_us, p.id"
    joins, outcome, newest = _outcome(signature, outcomes, keys, since, until)
    return (
        f"select {columns}, {outcome} as outcome, {matured} as matured from ({answered}) as p {joins} "
        f"qualify row_number() over (partition by p.id order by {newest}) = 1 order by event_us, p.id"
    )


def _outcome(
    signature: Signature,
    outcomes: str,
    keys: Sequence[tuple[str, str]],
    since: datetime | None,
    until: datetime | None,
) -> tuple[str, str, str]:
    """How an answer `p` finds its outcome, by its key and moment or by its id: the joins, the outcome, the newest.

    What rules answers out is said of outcomes too: it reaches the files only so.
    """
    named = f"left join (select * from {outcomes} where prediction is not null) as i on p.id = i.prediction"
    if not keys:
        return named, "i.outcome", "i.known desc nulls last"
    asked_then = within("moment", since, until) if signature.time else ""
    on = [f"p.{quote(asked)} = k.{quote(known)}" for asked, known in keys]
    on += ["p.moment = k.moment"] if signature.time else []
    keyed = f"left join (select * from {outcomes} where true{asked_then}) as k on {' and '.join(on)}"
    newest = "k.known desc nulls last, i.known desc nulls last"
    return f"{keyed} {named}", "coalesce(k.outcome, i.outcome)", newest


def event_of(signature: Signature) -> str:
    """The event time of an answer `p`: the moment it was asked about, or when it was given."""
    return "p.moment" if signature.time else "p.at"


def within(event: str, since: datetime | None, until: datetime | None) -> str:
    """A condition to follow others: events from `since` to before `until`."""
    lower = "" if since is None else f" and {event} >= {literal(since)}"
    return lower + ("" if until is None else f" and {event} < {literal(until)}")


def cohort_of(rows: pa.Table, signature: Signature) -> Cohort:
    """The rows of `cohort_query` as arrays."""
    classes = list(signature.classes)
    if signature.task == "regression":
        truth = _converted(rows.column("outcome"), float, np.nan)
        label = np.zeros(len(truth), dtype=np.int64)
    else:
        numbers = {_known(value): float(number) for number, value in enumerate(classes)}
        truth = _converted(rows.column("outcome"), lambda value: numbers.get(_known(value), np.nan), np.nan)
        label = _converted(rows.column("label"), lambda value: numbers.get(_known(value), 0.0), 0.0).astype(np.int64)
    return Cohort(
        event_us=rows.column("event_us").to_numpy(),
        score=_scores(rows.column("score"), classes if signature.task == "multiclass" else None),
        label=label,
        truth=truth,
        matured=np.asarray(rows.column("matured").to_numpy(zero_copy_only=False), dtype=bool),
        missing=np.asarray(rows.column("missing").to_numpy(), dtype=np.int64),
        version=rows.column("version").to_numpy(zero_copy_only=False).astype(object),
        slices={
            name.removeprefix(SLICE): np.array(rows.column(name).to_pylist(), dtype=object)
            for name in rows.column_names
            if name.startswith(SLICE)
        },
    )


def _converted(column: pa.ChunkedArray, number_of: Callable[[Any], float], missing: float) -> Floats:
    """Each value (n,) as a number, every different one read once."""
    coded = column.combine_chunks().dictionary_encode()
    found = np.array([number_of(value) for value in coded.dictionary.to_pylist()] + [missing], dtype=np.float64)
    places: npt.NDArray[np.int64] = coded.indices.fill_null(len(found) - 1).to_numpy(zero_copy_only=False)
    numbers: Floats = found[places]
    return numbers


def _scores(column: pa.ChunkedArray, classes: list[Any] | None) -> Floats:
    if classes is None:
        return np.asarray(column.to_numpy(), dtype=np.float64)
    names = [str(_known(value)) for value in classes]
    rows = [dict(value) for value in column.to_pylist()]
    return np.array([[row.get(name, np.nan) for name in names] for row in rows], dtype=np.float64).reshape(
        -1, len(names)
    )


def _known(value: Any) -> Any:
    """A class as it is compared: answers come as JSON, outcomes from the lake, so 1, 1.0 and "1" are one."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float) and float(value).is_integer():
        return str(int(value))
    return None if value is None else str(value)
