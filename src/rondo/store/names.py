"""Names that become folders: what a table, a stream or a state may be called."""

from __future__ import annotations

import re

from rondo.errors import StoreError

SEGMENT = re.compile(r"[^\W_][\w.@=-]*")
"""A letter or digit of any script, then letters, digits and `_ . @ = -`: no hidden, reserved or parent folder."""
LONGEST_BYTES = 200


def segments(path: str, what: str) -> list[str]:
    """The parts of `a/b/c`, each fit to be a folder's name. Raises StoreError otherwise."""
    parts = path.split("/")
    for part in parts:
        if not SEGMENT.fullmatch(part) or part.endswith(".") or len(part.encode()) > LONGEST_BYTES:
            raise StoreError(
                f"{path!r} cannot name a {what}.",
                next_step="Use letters, digits, `_`, `-`, `.`, `@` and `=`, beginning with a letter or digit.",
                facts={"path": path},
            )
    return parts
