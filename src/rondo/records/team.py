"""What people decided and said: decisions with who, why and evidence; signatures under requirements; notes."""

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


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A remark about a thing: a table, a model, a version of it, an alert, a document. It changes nothing."""

    KIND: ClassVar[str] = "notes"
    name: str
    text: str
    who: str
    version: int | None = None
