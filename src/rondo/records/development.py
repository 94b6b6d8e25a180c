"""What development remembers: fitness, candidates, versions, evaluations, comparisons, explanations, gates."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar, Literal

import msgspec

from rondo.records.tables import Scalar

State = Literal["passed", "failed", "undecided", "unexamined", "not_applicable"]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number with its two-sided 95 % interval and the rows behind it."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    standard_error: float | None = None
    degrees: int | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing found about examples. `weight` is stop, warn or note."""

    what: str
    weight: Literal["stop", "warn", "note"]
    column: str | None = None


class Fitness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether examples are fit for learning, which kind of model suits, what is wrong with them."""

    KIND: ClassVar[str] = "fitness"
    name: str
    dataset: int
    verdict: Literal["fit", "doubtful", "unfit"]
    suits: str
    findings: list[Finding]
    scores: dict[str, float] = {}


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One training try: its resolved parameters, its validation metric, its cost."""

    KIND: ClassVar[str] = "candidates"
    INDEXED: ClassVar[tuple[str, ...]] = ("dataset",)
    name: str
    dataset: int
    trainer: str
    parameters: dict[str, Scalar]
    metric: str
    value: float | None
    seconds: float
    latency_us: float | None = None
    chosen: bool = False


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate that was kept. `files` maps the packed model's files to their SHA-256.

    `pinned` maps each table it reads to the definition fingerprint it was trained with; `trainer` and `parameters`
    are resolved (what a search found), so that a rebuild searches nothing. `why` says stale, due, new, or asked: a
    person asked for it, to be trained on other `examples` than the model declares, or on from the version `parent`.
    """

    KIND: ClassVar[str] = "versions"
    name: str
    version: int
    definition: str
    build: str
    dataset: int
    trainer: str
    parameters: dict[str, Scalar]
    seed: int
    files: dict[str, str]
    pinned: dict[str, str]
    why: Literal["stale", "due", "new", "asked"]
    baselines: dict[str, dict[str, str]] = {}
    seconds: float = 0.0
    rondo: str = ""
    as_of: datetime | None = None
    examples: str | None = None
    parent: int | None = None


class Slice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same metrics on the rows where column `by` holds the value `is_`.

    Of a binary model also who bears its errors: `rates` (`base_rate`, `selection_rate`, `true_positive_rate`,
    `false_positive_rate`), and in `gaps` how far each is from that of all other rows.
    """

    by: str
    is_: Scalar = msgspec.field(name="is")
    rows: int
    metrics: dict[str, Figure]
    rates: dict[str, Figure] = {}
    gaps: dict[str, Figure] = {}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A curve by its points, with the pointwise 95 % interval of `y`."""

    x: list[float]
    y: list[float | None]
    low: list[float | None]
    high: list[float | None]


class ScoreBin(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of nearly the same score: its mean, and what came true of them: a share, or a mean value.

    `low` and `high` are the 95 % interval of `observed`; eight in ten values lie from `tenth` to `ninth` (regression).
    """

    predicted: float
    observed: float | None
    low: float | None
    high: float | None
    n: int
    tenth: float | None = None
    ninth: float | None = None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows lie between the `edges`, by what they are."""

    edges: list[float]
    rows: dict[str, list[int]]


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """What the metrics of an evaluation sum up. What does not belong to the task is None or empty.

    `roc`: false positive rate to true positive rate; `precision_recall`: recall to precision. `scores` counts scores by
    what came true (a regression: residuals, predicted less true). `confusion` counts rows by true class (in the order
    of `classes`) and predicted class; a binary model's labels are those of `threshold`.
    """

    roc: Line | None = None
    precision_recall: Line | None = None
    calibration: list[ScoreBin] = []
    scores: Counts | None = None
    classes: list[str] = []
    confusion: list[list[int]] = []
    threshold: float | None = None


class GoldenMiss(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a golden test set, counted from 1, that scores otherwise than expected; `of` says of which class."""

    row: int
    expected: float
    found: float
    of: str | None = None


class GoldenResult(msgspec.Struct, frozen=True, kw_only=True):
    """The scores that a golden test set expects against those found, differences relative where these are above 1."""

    rows: int
    differ: int
    greatest_difference: float
    first: GoldenMiss | None = None


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of a version on a test set, with intervals and slices. `golden` where the test set says scores."""

    KIND: ClassVar[str] = "evaluations"
    INDEXED: ClassVar[tuple[str, ...]] = ("testset",)
    name: str
    version: int
    testset: str
    rows: int
    metrics: dict[str, Figure]
    slices: list[Slice]
    blocks: int | None = None
    build: str = ""
    golden: GoldenResult | None = None
    curves: Curves | None = None


class PairedFigure(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of two versions on the same rows; the interval is of the difference a - b."""

    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    n: int
    standard_error: float | None = None
    degrees: int | None = None


class PairedSlice(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions on the rows where column `by` holds `is_`; the intervals of all slices hold together."""

    by: str
    is_: Scalar = msgspec.field(name="is")
    rows: int
    metrics: dict[str, PairedFigure]


class PairedDay(msgspec.Struct, frozen=True, kw_only=True):
    """The metric of two versions on the rows of one day; None where it is undefined."""

    day: date
    rows: int
    a: float | None
    b: float | None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one change alone contributed to a difference, `held` as it was. None: not known, and `note` says why."""

    what: Literal["metric", "labels", "data", "model"]
    value: float | None
    low: float | None
    high: float | None
    held: str
    note: str | None = None


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """From what was reported `then` of the one version to what holds `now` of the other, a change at a time.

    The known parts add up to `difference`. `metric_then` is what was reported, on `rows_then` rows, at `reported`.
    """

    metric: str
    metric_then: str
    then: float | None
    now: float | None
    difference: float | None
    rows_then: int | None
    reported: datetime | None
    parts: list[Part]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions on the same rows. `b` may name a baseline (`linear`) packed with version `a`.

    `days` hold the metric that the verdict rests on, oldest first. `seen` counts, by version, rows of the days that it
    was trained on: there it is judged on what it knows.
    """

    KIND: ClassVar[str] = "comparisons"
    name: str
    a: str
    b: str
    testset: str
    rows: int
    metrics: dict[str, PairedFigure]
    verdict: Literal["a", "b", "undecided"]
    slices: list[PairedSlice] = []
    split: Split | None = None
    seen: dict[str, int] = {}
    days: list[PairedDay] = []


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """How much one feature moved one prediction."""

    feature: str
    value: Scalar
    contribution: float


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """base + sum of contributions + residual = prediction; over a sample: mean absolute contributions."""

    KIND: ClassVar[str] = "explanations"
    name: str
    version: int
    base: float
    prediction: float
    contributions: list[Contribution]
    residual: float
    rows: int = 1


class SliceResult(msgspec.Struct, frozen=True, kw_only=True):
    """One slice of a `for each` requirement."""

    by: str
    is_: Scalar = msgspec.field(name="is")
    state: Literal["passed", "failed", "undecided", "unexamined"]
    value: float | None
    low: float | None
    high: float | None
    n: int


class RequirementResult(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the PRD as decided. `low` and `high` are one-sided 95 % bounds after correction."""

    text: str
    state: State
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    n: int | None
    signed_by: str | None = None
    slices: list[SliceResult] | None = None


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A version held against the requirements."""

    KIND: ClassVar[str] = "gates"
    name: str
    version: int
    state: Literal["passed", "failed", "undecided"]
    requirements: list[RequirementResult]
    prd: str | None = None
    build: str = ""
