"""What loading or building came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rondo.records.tables import CheckResult, TableVersion


@dataclass(frozen=True)
class Built:
    """A version that landed, or a blocked build that kept the last good one (`version` is None then)."""

    state: Literal["built", "blocked"]
    version: TableVersion | None
    checks: CheckResult | None
    reason: str
    rows: int
    seconds: float
