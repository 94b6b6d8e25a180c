"""What people decided: decisions with who, why and evidence; signatures under undecided requirements."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Who decided what, why, on what evidence. `name` is what it is about."""

    KIND: ClassVar[str] = "decisions"
    name: str
    what: str
    who: str
    why: str | None = None
    evidence: str | None = None
    version: int | None = None


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A named person answers for an undecided requirement of a version."""

    KIND: ClassVar[str] = "approvals"
    name: str
    version: int
    requirement: str
    who: str
    because: str
