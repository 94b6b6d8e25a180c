"""The command note."""

from __future__ import annotations

import msgspec

from rondo.cli.delivering import Options, Outcome
from rondo.cli.working import workplace
from rondo.loop.remarking import remark


def note(options: Options, *, name: str, text: str) -> Outcome:
    """Remark on anything by its name."""
    made = remark(workplace(options), name, text)
    return Outcome(msgspec.to_builtins(made), lambda console: console.print(f"Recorded under {name}, by {made.who}."))
