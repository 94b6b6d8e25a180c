"""Templates into pages: served with a stylesheet beside them, or saved as one file that holds all it needs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup

from rondo.language.words import Language
from rondo.pages.frame import Frame

if TYPE_CHECKING:
    from jinja2 import Environment

STATIC = ("rondo.css", "rondo.js", "charts.js", "use.css", "use.js")
INLINED = ("rondo.css", "rondo.js")
"""A saved page holds these; its charts are pictures and need no script."""


@cache
def static(name: str) -> str:
    """The text of a static file; KeyError for one that is not among `STATIC`."""
    if name not in STATIC:
        raise KeyError(name)
    return (files("rondo.pages") / "static" / name).read_text(encoding="utf-8")


@cache
def asset(name: str) -> str:
    """The address of a static file, with a name of its content: what it leads to never changes."""
    return f"/static/{name}?v={sha256(static(name).encode()).hexdigest()[:16]}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("rondo.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(template: str, words: Language, **values: object) -> str:
    """A template that has no frame of the console around it."""
    return _environment().get_template(template).render(language=words, say=words.say, count=words.count, **values)


def render(template: str, frame: Frame, *, section: str, commands: Sequence[str], **values: object) -> str:
    """A page of `section` (an entry of the navigation); `commands` are those that print the same.

    A template finds `frame`, `language` (its words), `say`, `count`, `link`, `href`, `commands` and `values`.
    """
    words = frame.words
    inline = {name: Markup(static(name)) for name in INLINED} if frame.saved else None
    return (
        _environment()
        .get_template(template)
        .render(
            frame=frame,
            language=words,
            say=words.say,
            count=words.count,
            link=frame.link,
            href=frame.href,
            section=section,
            commands=commands,
            inline=inline,
            asset=asset,
            **values,
        )
    )
