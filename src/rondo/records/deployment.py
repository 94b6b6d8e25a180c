"""What deployment remembers: rehearsals, deployments, releases, compactions of the prediction log, keys."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar, Literal

import msgspec

from rondo.records.development import Figure, Slice

Role = Literal["production", "canary", "shadow"]
KeyScope = Literal["predict", "explain", "outcome", "look", "admin"]
LATENCY_BOUNDS_S = (
    *(float(f"{step}e{power}") for power in range(-5, 1) for step in (1, 1.25, 1.6, 2, 2.5, 3.15, 4, 5, 6.3, 8)), 10.0,
)  # fmt: skip
"""Upper bounds of the buckets in which durations are counted, in seconds: ten a decade, as preferred numbers (R10) go.

A bucket is at most 1.28 times as long as the one before, so that a quantile read from them is off by so much at most;
one more bucket holds what is above the last.
"""


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """The serving path tried before the gate is read.

    `offline_rows` as-of rows went through `answer`, `offline_differ` of them scored otherwise than offline;
    `online_keys` live keys were looked up, `online_differ` otherwise than the as-of join as of now.
    """

    KIND: ClassVar[str] = "rehearsals"
    name: str
    version: int
    offline_rows: int
    offline_differ: int
    greatest_difference: float
    online_keys: int
    online_differ: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    requests: int
    differences: list[str] = []

    @property
    def unequal(self) -> str | None:
        """Why the version must not be deployed, whatever its gate says: it scores otherwise than it was judged."""
        if not (self.offline_differ or self.online_differ):
            return None
        return (
            f"{self.offline_differ} of {self.offline_rows} rows scored otherwise when served than offline, "
            f"{self.online_differ} of {self.online_keys} keys read otherwise online than by the as-of join."
        )


class Flips(msgspec.Struct, frozen=True, kw_only=True):
    """The last logged requests scored on a candidate: what would change for those who asked.

    `against` counts the requests by the version that answered them as production, `production` was at work when this
    was made, `last` is how many requests were wanted. Of `rows` requests, asked from `start` to `end`, `refused` got
    no answer (by field in `refusals`); they count as flipped. `metrics` are `flip_rate` (regression: answers that moved
    by more than `tolerance`, in the label's unit) and `score_change`. `looked_up` names the look-ups whose features
    had not been logged alike, `absent` the fields that it reads and no request brought (null for it), `unsliced` the
    slices that requests do not carry.
    """

    KIND: ClassVar[str] = "flips"
    name: str
    version: int
    production: int | None
    against: dict[str, int]
    last: int
    rows: int
    start: datetime
    end: datetime
    refused: int
    metrics: dict[str, Figure]
    slices: list[Slice]
    tolerance: float | None = None
    refusals: dict[str, int] = {}
    looked_up: list[str] = []
    absent: list[str] = []
    unsliced: list[str] = []
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    requests: int = 0


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A version put to work in a role: `share` of the traffic is answered by it. `ended`: it was taken off the role.

    `put_back`: by a roll-back, which takes off what stood above it, and not by a promotion.
    """

    KIND: ClassVar[str] = "deployments"
    INDEXED: ClassVar[tuple[str, ...]] = ("role",)
    name: str
    version: int
    role: Role
    share: float
    replaced: int | None = None
    because: str | None = None
    evidence: str | None = None
    ended: bool = False
    put_back: bool = False


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A version written as a file for another runtime, once `rows` of its rows scored the same there.

    `greatest_difference` is that of their scores, relative where these are above 1. `file` is its name alone.
    """

    KIND: ClassVar[str] = "releases"
    name: str
    version: int
    format: str
    file: str
    sha256: str
    rows: int
    greatest_difference: float


class PredictionsLanded(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions that reached the lake, up to these offsets of the log's segments."""

    KIND: ClassVar[str] = "prediction_landings"
    name: str
    rows: int
    delta: int
    segments: dict[str, int] = {}


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that a caller of the prediction server shows; the newest record of a name counts, `revoked` ends it.

    The secret was printed once and is kept nowhere: `sha256` is the digest of the whole key, `id` the part of it that
    is no secret. `rate` is as written (`100/s`).
    """

    KIND: ClassVar[str] = "api_keys"
    name: str
    id: str
    scopes: list[KeyScope]
    owner: str
    sha256: str
    rate: str | None = None
    expires: datetime | None = None
    because: str | None = None
    revoked: bool = False


class ModelCaller(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of the key `caller` used the model `name` on that day (UTC): one record a day at least."""

    KIND: ClassVar[str] = "callers"
    name: str
    caller: str
    day: date
