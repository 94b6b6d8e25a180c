"""What a diagnosis goes by: columns day by day, where each comes from, how its tables stand, what was put to work.

`loop/evidence.py` gathers it once something was found; nothing here reads a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

from rondo.language.words import Language
from rondo.monitor.runbooks import Runbook
from rondo.records.monitoring import Measurement
from rondo.stats.sketches import Sketch

REQUEST = ""
"""Stands for a table's name where a column comes with the request."""
Place = tuple[str, str]
"""A source or table (or REQUEST) and one of its columns."""
Daily = Mapping[date, Sketch]
"""A column's values, sketched for each local day that has rows."""
LABEL = "label"


@dataclass(frozen=True)
class Fed:
    """A column that a model is fed (or the label), as it was served, and everything that it comes from.

    `place` is where it was looked up, or the request's field; a derived one has none. `above` are the columns that it
    depends on, nearest first: `values` those whose values it takes, `rows` those that decide which rows there are.
    """

    name: str
    role: Literal["input", "derived", "looked up", "label"]
    daily: Daily
    place: Place | None = None
    values: tuple[Place, ...] = ()
    rows: tuple[Place, ...] = ()
    keys: tuple[Place, ...] = ()

    @property
    def tables(self) -> frozenset[str]:
        """Every table and source that it passes through."""
        return frozenset(table for table, _ in (*self.values, *self.rows) if table != REQUEST)


@dataclass(frozen=True)
class Landed:
    """A version of a source or table: its number, when it landed on the project's clock, its columns and types."""

    version: int
    at: datetime
    columns: Mapping[str, str]


@dataclass(frozen=True)
class TableState:
    """How a source or table stands. `newest` is the greatest known moment of its rows that is not in the future.

    `rows` counts them by day of their time. `refused` says why its last build brought nothing (blocked by its checks,
    or failed), `versions` are the latest, oldest first.
    """

    name: str
    kind: Literal["source", "table"]
    owner: str | None = None
    reads: tuple[str, ...] = ()
    fresh_s: float | None = None
    newest: datetime | None = None
    rows: Mapping[date, int] = field(default_factory=dict)
    refused: str | None = None
    refused_at: datetime | None = None
    versions: tuple[Landed, ...] = ()


@dataclass(frozen=True)
class Deployed:
    """A version put into production at that moment, and the one it replaced."""

    version: int
    since: datetime
    replaced: int | None = None


@dataclass(frozen=True)
class Judged:
    """Answered rows whose outcome is known: `day` (n,) local days since 1970, `score` (n,), `truth` (n,).

    A score is the probability of the positive class (or of the class given), or the value predicted. `columns` are what
    the model was fed, as numbers (n,): categories are codes, NaN is missing. `groups` are columns of a few values each
    (n,), to say where a change is strongest.
    """

    day: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]
    truth: npt.NDArray[np.float64]
    columns: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    groups: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """Everything about one model at `now`. `words` tell it, `people` maps an owner to name and contact."""

    model: str
    now: datetime
    words: Language
    owner: str | None = None
    state: str = "live"
    people: Mapping[str, str] = field(default_factory=dict)
    fed: tuple[Fed, ...] = ()
    tables: Mapping[str, TableState] = field(default_factory=dict)
    columns: Mapping[Place, Daily] = field(default_factory=dict)
    callers: Mapping[str, Mapping[str, Daily]] = field(default_factory=dict)
    deployments: tuple[Deployed, ...] = ()
    judged: Judged | None = None
    measurements: tuple[Measurement, ...] = ()
    runbook: Runbook | None = None
