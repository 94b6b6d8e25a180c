"""Answered rows with what became of them: predictions of the version in production, joined to outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rondo.features.signature import Signature
from rondo.sql.engine import literal, quote

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cohort:
    """Rows by event time. `event_us` (n,); `score` (n,) or (n, classes); `label` (n,) class numbers (regression: none).

    `truth` (n,) is NaN where no outcome is known; `matured` (n,) says that one was due by now; `missing` (n,) counts
    the inputs that were not given; `version` (n,) is whole.
    """

    event_us: npt.NDArray[np.int64]
    score: Floats
    label: npt.NDArray[np.int64]
    truth: Floats
    matured: npt.NDArray[np.bool_]
    missing: npt.NDArray[np.int64]
    version: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.event_us)

    def where(self, rows: npt.NDArray[np.bool_]) -> Cohort:
        """The rows chosen."""
        return Cohort(
            self.event_us[rows], self.score[rows], self.label[rows], self.truth[rows], self.matured[rows],
            self.missing[rows], self.version[rows],
        )  # fmt: skip


def cohort_query(
    signature: Signature,
    predictions: str,
    outcomes: str | None,
    *,
    keys: Sequence[tuple[str, str]],
    label_delay_s: float,
    now: datetime,
) -> str:
    """Answered rows (production's, the last answer to each question) with their outcome, if one is known.

    `keys` pairs each key column's name among the predictions with its name among the outcomes; where a key is not
    whole, or there is none, the question is the prediction itself, and its outcome is found by its id.
    """
    event = "p.moment" if signature.time else "p.at"
    output = {"binary": "p.score", "multiclass": "p.scores", "regression": "p.value"}[signature.task]
    label = "null" if signature.task == "regression" else 'p."label"'
    key = [f"p.{quote(name)}" for name, _ in keys]
    whole = " and ".join(f"{name} is not null" for name in key) or "false"
    question = ", ".join([*key, "p.moment", f"case when {whole} then null else p.id end"])
    once = f"qualify row_number() over (partition by {question} order by p.at desc, p.id desc) = 1"
    matured = f"{event} + to_microseconds({round(label_delay_s * 1e6)}) <= {literal(now)}"
    columns = f"epoch_us({event}) as event_us, {output} as score, {label} as label, p.missing, p.version"
    answered = f"select * from {predictions} as p where p.role = 'production' {once}"
    if outcomes is None:
        return f"select {columns}, null as outcome, {matured} as matured from ({answered}) as p order by event_us, p.id"
    named = f"left join {outcomes} as i on p.id = i.prediction"
    keyed, outcome = "", "i.outcome"
    if keys:
        on = [f"p.{quote(asked)} = k.{quote(known)}" for asked, known in keys]
        on += ["p.moment = k.moment"] if signature.time else []
        keyed, outcome = f"left join {outcomes} as k on {' and '.join(on)}", "coalesce(k.outcome, i.outcome)"
    newest = "k.known desc nulls last, i.known desc nulls last" if keys else "i.known desc nulls last"
    return (
        f"select {columns}, {outcome} as outcome, {matured} as matured from ({answered}) as p {keyed} {named} "
        f"qualify row_number() over (partition by p.id order by {newest}) = 1 order by event_us, p.id"
    )


def cohort_of(rows: pa.Table, signature: Signature) -> Cohort:
    """The rows of `cohort_query` as arrays."""
    classes = list(signature.classes)
    numbers = {_known(value): number for number, value in enumerate(classes)}
    outcome = rows.column("outcome").to_pylist()
    if signature.task == "regression":
        truth = np.array([np.nan if value is None else float(value) for value in outcome], dtype=np.float64)
        label = np.zeros(len(outcome), dtype=np.int64)
    else:
        truth = np.array([numbers.get(_known(value), np.nan) for value in outcome], dtype=np.float64)
        label = np.array([numbers.get(_known(v), 0) for v in rows.column("label").to_pylist()], dtype=np.int64)
    return Cohort(
        event_us=rows.column("event_us").to_numpy(),
        score=_scores(rows.column("score").to_pylist(), classes if signature.task == "multiclass" else None),
        label=label,
        truth=truth,
        matured=np.asarray(rows.column("matured").to_pylist(), dtype=bool),
        missing=np.asarray(rows.column("missing").to_pylist(), dtype=np.int64),
        version=np.asarray(rows.column("version").to_pylist(), dtype=object),
    )


def _scores(values: list[Any], classes: list[Any] | None) -> Floats:
    if classes is None:
        return np.asarray(values, dtype=np.float64)
    names = [str(_known(value)) for value in classes]
    rows = [dict(value) for value in values]
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
