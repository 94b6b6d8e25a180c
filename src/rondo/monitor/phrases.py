"""Parts of sentences that several sentences share: days and names in a row, in the project's language."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from rondo.language.words import Language


def day_text(day: date, words: Language) -> str:
    """A day as it is said: 30 December."""
    return words.plain("{at.day} {at:%B}", at=day)


def listed(names: Sequence[str], words: Language, most: int = 5) -> str:
    """Names with commas, the last ones counted where they are many."""
    shown = ", ".join(names[:most])
    return words.plain("{names} and {n} more", names=shown, n=len(names) - most) if len(names) > most else shown
