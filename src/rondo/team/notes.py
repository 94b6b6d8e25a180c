"""Notes: what people remark about a thing, in their own words."""

from __future__ import annotations

from rondo.errors import WrongUse
from rondo.records.team import Note
from rondo.store.ledger import Entry, Ledger, LedgerReader

LONGEST = 4_000


def note(ledger: Ledger, name: str, text: str, *, by: str, version: int | None = None) -> Note:
    """Records a remark about `name`. Raises WrongUse without words, or with too many."""
    text = text.strip()
    if not text:
        raise WrongUse("A note has words.", next_step=f'Write rondo note {name} "…".')
    if len(text) > LONGEST:
        raise WrongUse(
            f"A note has up to {LONGEST:,} characters, this one has {len(text):,}.",
            next_step="Write a document in docs/ and name it in the note.",
        )
    made = Note(name=name, text=text, who=by, version=version)
    ledger.append(made, by=by)
    return made


def notes(ledger: LedgerReader, name: str, version: int | None = None) -> list[Entry[Note]]:
    """What was remarked about `name` (of all its versions, without one), oldest first."""
    return ledger.entries(Note, name=name, version=version)
