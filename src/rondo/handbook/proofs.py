"""A proof: what shows that something is so, or why nothing does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Proof:
    """A sentence in the reader's language, with when it happened and the page on which it can be seen."""

    said: str
    at: datetime | None = None
    address: str | None = None
