"""Lengths of time as people write them: `90s`, `15m`, `36h`, `7d`, `2w`."""

from __future__ import annotations

import re

from rondo.errors import DeclarationError

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
GREATEST_S = 1_000 * 365 * SECONDS["d"]
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", re.ASCII)


def seconds(text: str, what: str) -> int:
    """`36h` as 129600. `what` names the setting in the error of an unreadable length, or one above a thousand years."""
    found = _WRITTEN.fullmatch(str(text))
    length_s = float(found[1]) * SECONDS[found[2]] if found else 0.0
    if found is None or length_s > GREATEST_S:
        raise DeclarationError(
            f"{what} is {text!r}, which is not a length of time.",
            next_step="Write a number and a unit: 90s, 15m, 36h, 7d or 2w.",
        )
    return round(length_s)


def written(length_s: int) -> str:
    """129600 as `36h`: the greatest unit that divides it."""
    for unit in ("w", "d", "h", "m"):
        if length_s and length_s % SECONDS[unit] == 0:
            return f"{length_s // SECONDS[unit]}{unit}"
    return f"{length_s}s"
