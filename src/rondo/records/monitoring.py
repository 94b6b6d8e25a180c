"""What monitoring remembers: measurements and alerts."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One number about one window of live traffic. `state` is within, out, uncalibrated or unexamined."""

    KIND: ClassVar[str] = "measurements"
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
    state: str
    unit: str = ""
    model_version: int | None = None
    outcomes: int | None = None  # the lake's version of the outcomes used
