"""What the loop remembers of what was forgotten."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """Keys whose rows were erased from a model's log, predictions and outcomes; `datasets`: from its datasets, too.

    The keys are kept nowhere. `digests` are their values in `columns` as HMAC-SHA256 under the state's secret (`under`
    says which): so that what sources still hold of them does not become outcomes again (asked up to `until`), and
    `reproduce` can tell rows that were erased from rows that were lost. `rows` counts what was found when it began,
    or erased where that was more. One that is `begun` and not `done` is completed by the next `rondo forget`.
    """

    KIND: ClassVar[str] = "erasures"
    name: str
    erasure: str
    state: Literal["begun", "done"]
    columns: list[str]
    digests: list[str]
    under: str
    until: datetime
    rows: dict[str, int]
    datasets: bool = False
    because: str | None = None
