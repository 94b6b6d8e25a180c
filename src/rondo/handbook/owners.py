"""Who owns a thing, with how to reach them, as every page says it."""

from __future__ import annotations

from dataclasses import dataclass

from rondo.loop.workplace import Workplace
from rondo.team.people import holders


@dataclass(frozen=True)
class Owner:
    """An owner as declared: the person of that id, or the first who holds the role. Nobody's name where neither is."""

    id: str
    name: str | None = None
    contact: str | None = None
    person: str | None = None

    @property
    def called(self) -> str:
        """What people call them."""
        return self.name or self.id


def owner_named(work: Workplace, owner: str | None) -> Owner | None:
    """The owner of that id or role; None for None."""
    if owner is None:
        return None
    found = next(iter(holders(work.project.settings.people, owner)), None)
    return Owner(owner, found.name, found.contact, found.id) if found else Owner(owner)
