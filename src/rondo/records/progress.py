"""How long work says how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float | None, str], None]
"""Called with the share done (0 to 1, None where it cannot be known) and what is being done."""


def silent(share: float | None, what: str) -> None:
    """Say nothing."""
