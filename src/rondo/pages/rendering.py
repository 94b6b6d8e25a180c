"""Templates into pages: served with a stylesheet beside them, or saved as one file that holds all it needs."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup

from rondo.pages.language import Language

if TYPE_CHECKING:
    from jinja2 import Environment

STATIC = ("rondo.css", "rondo.js")


@cache
def static(name: str) -> str:
    """The text of a static file; KeyError for one that is not among `STATIC`."""
    if name not in STATIC:
        raise KeyError(name)
    return (files("rondo.pages") / "static" / name).read_text(encoding="utf-8")


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


def render(template: str, language: Language, *, saved: bool, **values: object) -> str:
    """A page. `saved` puts stylesheet and script into it, so that the file stands alone."""
    inline = {name: Markup(static(name)) for name in STATIC} if saved else None
    return (
        _environment()
        .get_template(template)
        .render(say=language.say, count=language.count, language=language, inline=inline, **values)
    )
