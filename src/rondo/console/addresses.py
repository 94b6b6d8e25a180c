"""The addresses of the console: what each shows, and where its facts come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rondo.handbook.loop import loop_facts
from rondo.language.words import Language
from rondo.loop.workplace import Workplace
from rondo.pages.frame import Frame
from rondo.pages.loop import loop_page


@dataclass(frozen=True)
class Asked:
    """What an address was asked: the parts of its path, the parameters after it, and the reader's language."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    words: Language

    def whole(self, name: str) -> int | None:
        """A parameter that is a whole number; None without one."""
        written = self.path.get(name) or self.query.get(name) or ""
        return int(written) if written.isdecimal() else None


@dataclass(frozen=True)
class Address:
    """A page: its path as Starlette writes it, the facts behind it (which are its JSON), and how they become a page.

    `facts` raises NotFound where there is nothing of that name.
    """

    path: str
    facts: Callable[[Workplace, Asked], Any]
    page: Callable[[Any, Frame], str]


ADDRESSES: tuple[Address, ...] = (
    Address("/", lambda work, asked: loop_facts(work), loop_page),
    # tables
    # models
    # live
    # handbook, reports
    # people and documents
)
