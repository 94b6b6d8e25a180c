"""What looking closer at versions left behind: mistakes, what moves their answers, how they rank on a test set."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from rondo.records.development import Contribution, Figure
from rondo.records.tables import Scalar

Loss = Literal["log_loss", "absolute_error"]


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a row: equal to `is_`, or from `low` to below `high` (None: open), or missing."""

    column: str
    is_: Scalar = msgspec.field(name="is", default=None)
    low: float | None = None
    high: float | None = None
    missing: bool = False


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """One row judged wrongly. `score` is of the positive class, of several classes of the one that was true; of a
    number it is what was answered. `contributions` are the three weightiest, `features` what the model was fed.
    """

    key: dict[str, Scalar]
    moment: datetime | None
    score: float
    label: Scalar
    outcome: Scalar
    loss: float
    contributions: list[Contribution]
    features: dict[str, Scalar]


class MistakeSlice(msgspec.Struct, frozen=True, kw_only=True):
    """Rows among which mistakes gather. Found on one half of the days, told as the other half shows them.

    `share` of these rows were mistakes, the intervals of all slices holding together; `lift` is how many times as many
    as among the other rows, `loss` the mean loss.
    """

    conditions: list[Condition]
    rows: int
    mistakes: int
    share: float
    low: float
    high: float
    lift: float | None
    loss: float


class Mistakes(msgspec.Struct, frozen=True, kw_only=True):
    """The worst mistakes of a version on a test set, and the slices where they gather.

    A mistake is a wrong label; of a number, an error among the greatest tenth. `looked` conditions were tried on the
    rows that slices were sought in, those that promised most were held against the `confirmed_on` rows of other days;
    None: there are too few days or rows to confirm any.
    """

    KIND: ClassVar[str] = "mistakes"
    name: str
    version: int
    testset: str
    rows: int
    mistakes: int
    loss: Loss
    mean_loss: float
    worst: list[Mistake]
    slices: list[MistakeSlice]
    looked: int
    confirmed_on: int | None
    days: int | None = None
    build: str = ""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What a column contributes on average where it holds such values."""

    condition: Condition
    rows: int
    contribution: float


class Attributed(msgspec.Struct, frozen=True, kw_only=True):
    """What one column does to the answers: its mean absolute contribution, its share of all columns' sum.

    `direction` is the rank correlation of value and contribution (None: a category, or a column that never differs);
    `effects` the values that lower and raise the answer most.
    """

    feature: str
    weight: Figure
    share: float
    direction: float | None
    effects: list[Effect]


class AttributedSlice(msgspec.Struct, frozen=True, kw_only=True):
    """The weights on the rows where column `by` holds `is_`: mean absolute contributions by feature."""

    by: str
    is_: Scalar = msgspec.field(name="is")
    rows: int
    weights: dict[str, Figure]


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """What moves the answers of a version over many rows: `rows` of `of_rows` were explained, evenly apart.

    `of` says which: `testset` NAME, `table` NAME, `query` SQL, or `window` 7d of live answers from `start` to `end`.
    `base` and `prediction` are means over these rows, `residual` the mean absolute one.
    """

    KIND: ClassVar[str] = "attributions"
    name: str
    version: int
    kind: Literal["testset", "table", "query", "window"]
    of: str
    rows: int
    of_rows: int
    base: float
    prediction: float
    features: list[Attributed]
    residual: float = 0.0
    slices: list[AttributedSlice] = []
    start: datetime | None = None
    end: datetime | None = None
    days: int | None = None


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """One version among those judged on the same rows.

    `seen` counts rows of days that it, or a version that it was trained on from, was trained on: one with any is shown
    and never ranked (None: without a time nobody knows). `best` is the share of resamplings in which it is the best,
    `behind` the paired difference to the version that is best on these rows (its intervals hold together);
    `among_best`: it is not shown to be worse.
    """

    version: int
    metrics: dict[str, Figure]
    seen: int | None
    best: float | None = None
    behind: Figure | None = None
    among_best: bool = False


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of a model on one test set, in their order. `best` is the one that all others are shown to be worse
    than; None where that cannot be said. `left_out` older versions were not looked at.
    """

    KIND: ClassVar[str] = "rankings"
    name: str
    testset: str
    metric: str
    rows: int
    versions: list[Ranked]
    best: int | None
    days: int | None = None
    left_out: int = 0
    build: str = ""
