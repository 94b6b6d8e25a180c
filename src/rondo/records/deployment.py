"""What deployment remembers: rehearsals, deployments, compactions of the prediction log."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

Role = Literal["production", "canary", "shadow"]


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


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A version put to work in a role. `share` of the traffic is answered by it; None as version: the role is empty."""

    KIND: ClassVar[str] = "deployments"
    name: str
    version: int
    role: Role
    share: float
    replaced: int | None = None
    because: str | None = None
    evidence: str | None = None
    ended: bool = False


class PredictionsLanded(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions that reached the lake, up to these offsets of the log's segments."""

    KIND: ClassVar[str] = "prediction_landings"
    name: str
    rows: int
    delta: int
    segments: dict[str, int] = {}
