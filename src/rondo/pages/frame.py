"""What surrounds every page: which project and moment it shows, to whom, in which language, at which address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from markupsafe import Markup

from rondo.language.catalogues import Code
from rondo.language.words import Language
from rondo.pages.actions import Done, told


@dataclass(frozen=True)
class Frame:
    """The frame of one page as one reader sees it.

    `now` is the moment the page shows; `as_of` is set where the reader asked for an earlier one. `recorded` is the
    project's language, which the sentences of records are in. `address` is the page's own path and `query` its
    parameters. `token` guards forms against other sites; without one the page offers no action (a saved page, a look at
    the past, a reader who may only look). `signed_in`: a session can be ended; `done` is what the reader has
    just done.
    """

    project: str
    now: datetime
    timezone: str
    state: str = "live"
    code: Code = "en"
    recorded: Code = "en"
    address: str = "/"
    query: Mapping[str, str] = field(default_factory=dict)
    as_of: datetime | None = None
    saved: bool = False
    who: str | None = None
    signed_in: bool = False
    token: str | None = None
    open_alerts: int = 0
    done: Done | None = None
    charts: dict[str, Mapping[str, Any]] = field(default_factory=dict, compare=False, repr=False)
    """The charts drawn on the page, by their id: filled in as it is rendered."""

    @property
    def told(self) -> Markup | None:
        """What the reader has just done, as a sentence."""
        return told(self.done, self.words) if self.done else None

    @cached_property
    def words(self) -> Language:
        """The reader's language in the project's timezone."""
        return Language(self.code, self.timezone)

    def href(self, path: str, /, **query: object) -> str:
        """The address of another page of the console as of the same moment; `path` begins with `/`, may ask `?`."""
        fragment = ""
        if "#" in path:
            path, _, name = path.partition("#")
            fragment = "#" + name
        path, _, given = path.partition("?")
        asked = dict(parse_qsl(given)) | {name: str(value) for name, value in query.items() if value is not None}
        if "as_of" in self.query:
            asked.setdefault("as_of", self.query["as_of"])
        return quote(path, safe="/@:,~.-") + (f"?{urlencode(asked)}" if asked else "") + fragment

    def link(self, text: object, path: str, /, **query: object) -> Markup:
        """`text` linked to a page of the console; plain text on a saved page, which stands alone."""
        if self.saved:
            return Markup("{}").format(text)
        return Markup('<a href="{}">{}</a>').format(self.href(path, **query), text)

    def command(self, text: str) -> str:
        """A command as it is typed to work on the state that the page shows."""
        if self.state == "live" or "--state" in text or not text.startswith("rondo "):
            return text
        return f"{text} --state {self.state}"

    def here(self, /, **query: str) -> str:
        """The same page again with other parameters."""
        asked = {**self.query, **query}
        return quote(self.address, safe="/@:,~.-") + (f"?{urlencode(asked)}" if asked else "")
