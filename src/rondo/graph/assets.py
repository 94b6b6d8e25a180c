"""What stands in the ledger against what is declared: stale, due, new, or fresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Why = Literal["stale", "due", "new"]


@dataclass(frozen=True)
class Standing:
    """Why something must be built, or None; the reason in words."""

    why: Why | None
    reason: str | None = None

    @property
    def fresh(self) -> bool:
        """Whether nothing is to be done."""
        return self.why is None


def standing(
    *,
    built: Mapping[str, int] | None,
    built_definition: str | None,
    definition: str,
    inputs: Mapping[str, int],
    changed: str,
    coming: Mapping[str, Why] | None = None,
) -> Standing:
    """How a thing stands.

    `built` maps what it was built from to versions (None: never built), `inputs` what is there now, `coming` those
    inputs that a plan will build first. `changed` is the sentence for a changed definition.
    """
    if built is None or built_definition is None:
        return Standing("new", "never built")
    if built_definition != definition:
        return Standing("stale", changed)
    for name, why in sorted((coming or {}).items(), key=lambda item: item[1] != "stale"):
        return Standing("stale" if why == "stale" else "due", f"{name} is {why}")
    for name, version in inputs.items():
        if built.get(name) != version:
            return Standing("due", f"{name} has a new version")
    return Standing(None)
