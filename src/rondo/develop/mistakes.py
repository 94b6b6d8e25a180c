"""Mistakes: the worst that a version makes on a test set, and the slices where they gather."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from rondo.develop.conditions import Cut, cut_fed, cut_slices
from rondo.develop.evaluating import with_labels
from rondo.develop.reading import Rows, rows_of
from rondo.models.packed import Packed
from rondo.records.development import Contribution
from rondo.records.studies import Loss, Mistake, Mistakes, MistakeSlice
from rondo.records.tables import CARRIED, Scalar
from rondo.stats.intervals import numbered
from rondo.stats.results import Floats, Ints
from rondo.stats.subgroups import Group, gather
from rondo.store.opening import Store

if TYPE_CHECKING:
    import pyarrow as pa

WORST = 20
CONTRIBUTIONS = 3
WRONG_BY = 0.9
"""A number is a mistake where its error is above this quantile of all errors."""
LEAST_PROBABILITY = 1e-15


def find_mistakes(
    packed: Packed,
    rows: pa.Table,
    *,
    version: int,
    testset: str = "test",
    most: int = WORST,
    slices: Sequence[str] = (),
    seed: int = 0,
) -> Mistakes:
    """The `most` rows of greatest loss, and the slices of fed columns and of `slices` where mistakes gather.

    `rows` as `evaluate` takes them; key columns are told where they are there. Raises BuildError where no label is
    known.
    """
    rows = with_labels(rows, testset)
    ready = rows_of(rows, packed.signature, packed.encoder)
    scores = packed.score(ready.matrix)
    numbers = packed.label_numbers(scores)
    losses = losses_of(packed.signature.task, ready.y, scores)
    wrong = losses > np.quantile(losses, WRONG_BY) if packed.signature.task == "regression" else numbers != ready.y
    sought = [*cut_fed(packed, ready.matrix), *cut_slices(packed, rows, slices)]
    codes = np.stack([column.codes for column in sought], axis=1) if sought else np.zeros((len(losses), 0), np.int64)
    gathered = gather(codes, wrong, blocks=ready.days, seed=seed)
    order = np.argsort(-losses, kind="stable")[:most]
    return Mistakes(
        name=packed.signature.model,
        version=version,
        testset=testset,
        rows=len(losses),
        mistakes=int(wrong.sum()),
        loss=_loss_name(packed.signature.task),
        mean_loss=float(losses.mean()),
        worst=_worst(packed, rows, ready, scores, losses, order),
        slices=[_slice(group, sought, losses) for group in gathered.groups],
        looked=gathered.looked,
        confirmed_on=gathered.confirmed_on,
        days=None if ready.days is None else numbered(ready.days)[1],
    )


def redact_mistakes(store: Store, model: str) -> int:
    """Takes the rows out of what is remembered of a model's mistakes; gives of how many records."""
    return store.ledger.redact(Mistakes, lambda found: msgspec.structs.replace(found, worst=[], build=""), name=model)


def _loss_name(task: str) -> Loss:
    return "absolute_error" if task == "regression" else "log_loss"


def losses_of(task: str, y: Floats, scores: Floats) -> Floats:
    """The loss of each row (n,): of a number its absolute error, else minus the logarithm of what the truth got."""
    if task == "regression":
        return np.asarray(np.abs(scores - y))
    given = np.where(y > 0, scores, 1 - scores) if task == "binary" else scores[np.arange(len(y)), y.astype(np.int64)]
    return np.asarray(-np.log(np.clip(given, LEAST_PROBABILITY, 1.0)))


def _worst(packed: Packed, rows: pa.Table, ready: Rows, scores: Floats, losses: Floats, places: Ints) -> list[Mistake]:
    """The rows at these places, told as people would look at them."""
    signature = packed.signature
    names = [column.name for column in signature.fed]
    held = {c.name: c.name if c.name in rows.column_names else CARRIED + c.name for c in signature.key}
    keys = {name: column for name, column in held.items() if column in rows.column_names}
    timed = ["moment"] if "moment" in rows.column_names else []
    taken = rows.select(list(dict.fromkeys([*names, *keys.values(), *timed, "label"]))).take(places).to_pylist()
    labels, whys = packed.labels(scores[places]), packed.explain(ready.matrix[places])
    found = []
    for place, row, why, label in zip(places, taken, whys, labels, strict=True):
        weighty = np.argsort(-np.abs(why.contributions), kind="stable")[:CONTRIBUTIONS]
        score = scores[place, int(ready.y[place])] if scores.ndim == 2 else scores[place]
        found.append(
            Mistake(
                key={name: _plain(row[column]) for name, column in keys.items()},
                moment=row["moment"].astimezone(UTC) if timed else None,
                score=float(score),
                label=label,
                outcome=_plain(row["label"]),
                loss=float(losses[place]),
                contributions=[
                    Contribution(
                        feature=names[n], value=_plain(row[names[n]]), contribution=float(why.contributions[n])
                    )
                    for n in weighty
                ],
                features={name: _plain(row[name]) for name in names},
            )
        )
    return found


def _slice(group: Group, sought: Sequence[Cut], losses: Floats) -> MistakeSlice:
    inside = np.ones(len(losses), dtype=np.bool_)
    for column, code in group.cells:
        inside &= sought[column].codes == code
    return MistakeSlice(
        conditions=[sought[column].means[code - 1] for column, code in group.cells],
        rows=group.rows,
        mistakes=group.marked,
        share=group.share,
        low=group.low,
        high=group.high,
        lift=group.lift,
        loss=float(losses[inside].mean()),
    )


def _plain(value: object) -> Scalar:
    """A value as JSON keeps it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)
