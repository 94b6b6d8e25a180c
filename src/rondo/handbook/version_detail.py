"""What is known of a version: what it was made from, how it was judged, where it was at work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rondo.loop.versions import TEST
from rondo.records.deployment import Flips, Rehearsal, Release, Role
from rondo.records.development import (
    Candidate,
    Curves,
    Evaluation,
    Explanation,
    Figure,
    Fitness,
    Gate,
    PairedFigure,
    Version,
)
from rondo.records.monitoring import Measurement
from rondo.records.running import ReplayedMonth
from rondo.records.studies import Attribution, Mistakes
from rondo.records.tables import Dataset, Scalar

Origin = Literal["input", "derived", "looked up"]


@dataclass(frozen=True)
class Stretch:
    """A version at work in a role; `until` is None while it is."""

    version: str
    role: Role
    share: float
    since: datetime
    until: datetime | None
    by: str
    because: str | None
    evidence: str | None


@dataclass(frozen=True)
class FedFeature:
    """A column that the model is fed: brought by the request, derived from it, or looked up in a table.

    `definition` is the fingerprint that the version pins; `current` says whether the table still has that definition.
    """

    name: str
    type: str
    origin: Origin
    table: str | None = None
    expression: str | None = None
    definition: str | None = None
    current: bool = True


@dataclass(frozen=True)
class SliceFigure:
    """The model's metric on one slice; `low` and `high` hold together over all slices shown.

    `limit` and `state` are those of the gate, where a line asks for it.
    """

    by: str
    is_: Scalar
    rows: int
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    state: str | None


@dataclass(frozen=True)
class Signed:
    """Who answered for an undecided requirement, when and why."""

    requirement: str
    who: str
    because: str
    at: datetime


@dataclass(frozen=True)
class Against:
    """A comparison that this version was part of: its main metric, this version less `other`."""

    other: str
    testset: str
    figure: PairedFigure
    better: bool | None
    at: datetime


@dataclass(frozen=True)
class Happened:
    """One line of a version's history; `what` is the kind of the record."""

    at: datetime
    what: str
    by: str
    told: str | None = None


@dataclass(frozen=True)
class Declared:
    """The model as the project declares it now; `same` says whether the version was made from just that."""

    file: str
    line: int
    code: str
    same: bool


@dataclass(frozen=True)
class VersionDetail:
    """All that a version's page shows. What has not happened is None or empty.

    `live` holds for each line of the gate the newest week measured while the version was in production; `live_metric`
    the same of the main metric; `months` are those of its model's replay. `undecided` is what the PRD allows a version
    with undecided lines, `back_to` is the version that a roll-back would put to work. `evaluations` are the newest by
    test set, the test split first.
    """

    name: str
    number: int
    whole: str
    now: datetime
    record: Version
    made: datetime
    made_by: str
    newest: int
    first: int
    task: str
    label: str
    positive: str | None
    metric: str
    higher_is_better: bool
    owner: str | None
    prd_file: str | None
    prd_owner: str | None
    undecided: str | None
    at_work: tuple[Stretch, ...]
    stretches: tuple[Stretch, ...]
    production: str | None
    back_to: str | None
    gate: Gate | None
    gate_at: datetime | None
    approvals: tuple[Signed, ...]
    live: tuple[Measurement | None, ...]
    live_metric: Measurement | None
    months: tuple[ReplayedMonth, ...]
    evaluations: tuple[Evaluation, ...]
    testsets: tuple[str, ...]
    slices: tuple[SliceFigure, ...]
    candidates: tuple[Candidate, ...]
    dataset: Dataset | None
    fitness: Fitness | None
    features: tuple[FedFeature, ...]
    declared: Declared | None
    mistakes: Mistakes | None
    attribution: Attribution | None
    explanation: Explanation | None
    rehearsal: Rehearsal | None
    flips: Flips | None
    releases: tuple[Release, ...]
    comparisons: tuple[Against, ...]
    history: tuple[Happened, ...]

    @property
    def evaluation(self) -> Evaluation | None:
        """That of its own test split."""
        return next((each for each in self.evaluations if each.testset == TEST), None)

    @property
    def curves(self) -> Curves | None:
        """Those of its own test split."""
        return self.evaluation.curves if self.evaluation else None

    @property
    def figure(self) -> Figure | None:
        """Its metric on its own test split."""
        return self.evaluation.metrics.get(self.metric) if self.evaluation else None
