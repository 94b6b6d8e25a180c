"""What data remembers: versions of tables, their checks and profiles, datasets, outcomes, publications."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

Scalar = str | int | float | bool | None
CARRIED = "_carried."
"""What a dataset puts before columns that it holds for slicing and looking up alone; `dataset.NAME` hides them."""
POSITION = CARRIED + "_rondo_position"
"""The order in which a dataset's rows were frozen: files in the lake may be in another."""

GOLDEN_SCORE, GOLDEN_ROW = "_golden.score", "_golden.row"
"""In the rows of a golden test set: the score expected, as JSON text, and which row of its file it is."""


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a table that something was built from."""

    name: str
    version: int
    definition: str


class SeenFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file a load took in: enough to know it again without reading it."""

    path: str
    size: int
    modified_ns: int
    sha256: str
    rows: int


class TableVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a source's or a table's rows in the lake.

    `definition` and `build` are fingerprints; `path` and `delta` say where in the lake, `version` counts the landings
    of this name, whatever their definition. `columns` maps names to SQL types. `known_until` is the greatest known
    time of its rows (None when nothing is declared); `revised` says that a key stands in more than one row. `pinned`
    says that it was built for a version at work, not for the project's present definition. `steady` says that
    `known` follows `time` at a constant lag and no two rows share key and known.
    """

    KIND: ClassVar[str] = "tables"
    name: str
    version: int
    stage: Literal["source", "table"]
    definition: str
    build: str
    path: str
    delta: int
    rows: int
    columns: dict[str, str]
    inputs: list[Input] = []
    files: list[SeenFile] = []
    as_of: datetime | None = None
    known_until: datetime | None = None
    revised: bool = False
    seconds: float = 0.0
    quarantined: int = 0
    pinned: bool = False
    steady: bool = False


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What a fingerprint stands for: the declaration as it was, so that a pinned table can be built again.

    `own` is the fingerprint of the declaration alone, `reads` maps each name it reads to that name's definition.
    """

    KIND: ClassVar[str] = "definitions"
    name: str
    stage: Literal["source", "table"]
    definition: str
    own: str
    reads: dict[str, str]
    declaration: dict[str, Any]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found: of `rows` examined, `failed` did not meet it."""

    text: str
    state: Literal["passed", "failed"]
    rows: int
    failed: int


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """All checks of one build of a table. A blocked build has no version: `version` is then the one kept (or None)."""

    KIND: ClassVar[str] = "checks"
    name: str
    version: int | None
    build: str
    state: Literal["passed", "warned", "quarantined", "blocked"]
    checks: list[Checked]


class Top(msgspec.Struct, frozen=True, kw_only=True):
    """A frequent value."""

    value: Scalar
    count: int


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a column holds. Quantiles are by share: {"0.5": 12.0}.

    `bars` counts rows: of numbers and moments those in equal stretches from the least to the greatest value (long tails
    are in the outermost), of all else those of the most frequent values, the most frequent first.
    """

    name: str
    type: str
    nulls: int
    distinct: int | None = None
    min: Scalar = None
    max: Scalar = None
    mean: float | None = None
    quantiles: dict[str, Scalar] | None = None
    top: list[Top] | None = None
    bars: list[int] | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a version of a table holds."""

    KIND: ClassVar[str] = "profiles"
    name: str
    version: int
    rows: int
    columns: list[ColumnProfile]


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """Examples joined with features, with their splits; `name` is the model's.

    `assumptions` are sentences about what had to be taken on trust (a registry without history). `label_delay_s` is
    the longest delay of a label seen among the training rows. `moments` maps a split to its first and last moment.
    """

    KIND: ClassVar[str] = "datasets"
    name: str
    version: int
    definition: str
    build: str
    path: str
    delta: int
    rows: int
    columns: dict[str, str]
    splits: dict[str, int]
    inputs: list[Input]
    assumptions: list[str]
    as_of: datetime | None = None
    label_delay_s: float | None = None
    moments: dict[str, list[datetime]] = {}
    seconds: float = 0.0


class OutcomesLanded(msgspec.Struct, frozen=True, kw_only=True):
    """Outcomes that reached the lake: from the label table, or from the inbox of the server.

    `first` and `last` are the moments that they are about; None where one has none.
    """

    KIND: ClassVar[str] = "outcome_landings"
    name: str
    source: str
    rows: int
    delta: int
    inputs: list[Input] = []
    segments: dict[str, int] = {}
    first: datetime | None = None
    last: datetime | None = None


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """Online values of a table's definition, published from one version of it."""

    KIND: ClassVar[str] = "publications"
    name: str
    definition: str
    table_version: int
    space: str
    keys: int
