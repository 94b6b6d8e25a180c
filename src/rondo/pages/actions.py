"""What a reader may do from a page: the command that does the same, shown before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True)
class Action:
    """A button with its dialog. `verb` is the action's address, `values` what it sends, `command` the same for a shell.

    `told` says what will happen, what will not, and whether it would help; `why` labels the field of the reason, which
    is asked for where it is set. `id` is unique on the page.
    """

    id: str
    verb: str
    label: Markup
    command: str
    values: Mapping[str, str] = field(default_factory=dict)
    told: Sequence[Markup] = ()
    why: Markup | None = None
    dangerous: bool = False
