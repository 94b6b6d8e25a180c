"""What monitoring remembers: measurements, alerts and their deliveries, silences, incidents."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One number about one window (half-open, event time) of what runs: a model's traffic, its service, its sources.

    `value` with its two-sided 95 % interval is of `n` examined rows, in `unit`. `feature` is the column (or, for
    `staleness_h`, the source or table) it is about, `by` and `is_` the slice. It is `out` when it has left its `limit`
    on `side`; `basis` says where the limit comes from: declared, calibrated from history with a stated rate of false
    alarms, or uncalibrated for want of history. `unexamined`: no row was seen.
    """

    KIND: ClassVar[str] = "measurements"
    INDEXED: ClassVar[tuple[str, ...]] = ("metric",)
    name: str
    metric: str
    feature: str | None
    start: datetime
    end: datetime
    rows: int
    matured: int
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    state: Literal["within", "out", "no limit", "uncalibrated", "unexamined"]
    unit: str = ""
    model_version: int | None = None
    outcomes: int | None = None  # the lake's version of the outcomes used
    n: int | None = None
    higher_is_better: bool | None = None
    by: str | None = msgspec.field(name="slice_by", default=None)  # `by` alone says who wrote a record
    is_: str | int | float | bool | None = msgspec.field(name="slice_is", default=None)
    side: Literal["above", "below"] | None = None
    basis: Literal["declared", "calibrated", "uncalibrated"] | None = None


TELLING = 0.3
"""From this share on a cause says what an alert is about; below it is one thing among others."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What is held to be behind an alert, and how much of it (0 to 1; None: not known)."""

    what: str
    share: float | None = None

    @property
    def tells(self) -> bool:
        """Whether it explains enough to be acted upon: of what stopped altogether no share is known."""
        return self.share is None or self.share >= TELLING


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement out of bounds, as it stood after its `number`-th change; the newest record of an `id` counts.

    `name` is the rule, `about` what it found wrong (features, tables, slices). `runbook` is where the steps stand,
    `steps` are they with everything filled in, `rollback` is the command that undoes the release.
    """

    KIND: ClassVar[str] = "alerts"
    INDEXED: ClassVar[tuple[str, ...]] = ("id",)
    name: str
    id: str
    model: str
    number: int
    event: Literal["opened", "changed", "explained", "worsened", "acknowledged", "resolved", "reopened"]
    state: Literal["open", "acknowledged", "resolved"]
    since: datetime
    changed: datetime
    severity: Literal["warning", "critical"]
    summary: str
    about: list[str] = []
    diagnosis: Literal["service", "data", "model"] | None = None
    causes: list[Cause] = []
    owner: str | None = None
    runbook: str | None = None
    steps: list[str] = []
    rollback: str | None = None
    by: str | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How far an alert's `number`-th change has come on the channel `name`; the newest record of an `id` counts.

    Recorded as `due` together with the alert, as `sending` before each attempt and with what came of it after: whoever
    dies in between leaves `sending`, and it is sent again. Receivers know a repetition by `id`.
    """

    KIND: ClassVar[str] = "deliveries"
    INDEXED: ClassVar[tuple[str, ...]] = ("id",)
    name: str
    id: str
    alert: str
    number: int
    state: Literal["due", "sending", "delivered", "failed", "dropped", "given_up"]
    due: datetime
    attempt: int = 0
    next: datetime | None = None
    problem: str | None = None


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of a model (None: all) and rule (None: all) are recorded and not sent, from its record on, until then."""

    KIND: ClassVar[str] = "silences"
    name: str
    start: datetime
    until: datetime
    who: str
    because: str
    model: str | None = None
    rule: str | None = None


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """What people do about alerts: each record is a line of its timeline, and says how it stands after it."""

    KIND: ClassVar[str] = "incidents"
    INDEXED: ClassVar[tuple[str, ...]] = ("id",)
    name: str
    id: str
    event: Literal["opened", "joined", "taken", "noted", "resolved", "closed"]
    state: Literal["open", "taken", "closed"]
    alerts: list[str]
    summary: str
    diagnosis: Literal["service", "data", "model"] | None = None
    owner: str | None = None
    who: str | None = None
    note: str | None = None
    learned: str | None = None


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """A step of an alert's runbook that somebody ticked, or (not `done`) took the tick from; the newest one counts.

    `step` is its text as the alert has it.
    """

    KIND: ClassVar[str] = "ticks"
    INDEXED: ClassVar[tuple[str, ...]] = ("alert",)
    name: str
    alert: str
    step: str
    done: bool
    who: str
