"""How often something may happen, as people write it: `100/s`, `600/m`, `5000/h`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rondo.errors import DeclarationError
from rondo.project.durations import SECONDS

_WRITTEN = re.compile(r"\s*([1-9]\d{0,8})\s*/\s*([smh])\s*", re.ASCII)


@dataclass(frozen=True)
class Rate:
    """So many requests in a second, a minute or an hour."""

    requests: int
    unit: str = "s"

    def __str__(self) -> str:
        return f"{self.requests}/{self.unit}"

    @property
    def per_second(self) -> float:
        """Requests a second in the long run."""
        return self.requests / SECONDS[self.unit]


def parse_rate(text: object, what: str) -> Rate:
    """`100/s` as a rate. `what` names the setting in the error of one that cannot be read."""
    found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise DeclarationError(
            f"{what} is {text!r}, which is not a rate.", next_step="Write requests and a unit: 100/s, 600/m or 5000/h."
        )
    return Rate(int(found[1]), found[2])
