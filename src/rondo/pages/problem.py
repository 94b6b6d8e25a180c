"""What could not be answered, as a page: what was wrong, where, what is near, the next step."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from rondo.errors import DeclarationError, NotFound, RondoError
from rondo.language.words import Language
from rondo.pages.frame import Frame
from rondo.pages.rendering import render


def problem_page(frame: Frame, error: RondoError, status: int, *, near: Sequence[str] = ()) -> str:
    """The error in the words that the commands use. `near` are names like the one that was asked for."""
    where = f"{error.file}:{error.line}" if error.file and error.line else error.file
    return render(
        "problem.html", frame, section="problem", commands=("rondo doctor",), error=error, where=where, near=near,
        headline=_headline(error, status, frame.words), addresses=[_address(frame, name) for name in near],
    )  # fmt: skip


def _address(frame: Frame, name: str) -> str:
    """Where a name that is near leads: the same address with that name in its place, or the address itself."""
    if name.startswith("/"):
        return name
    return f"{frame.address.rpartition('/')[0]}/{name}"


def _headline(error: RondoError, status: int, words: Language) -> Markup:
    if isinstance(error, NotFound):
        return words.say("There is no such thing here")
    if isinstance(error, DeclarationError):
        return words.say("The project cannot be read as it is written")
    match status:
        case 401 | 403:
            return words.say("You are not let in here")
        case 409:
            return words.say("This was refused")
        case 429:
            return words.say("Not so fast")
        case 500 | 503:
            return words.say("Something did not work")
        case _:
            return words.say("This could not be answered")
