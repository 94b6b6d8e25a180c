"""The pages about looking itself: the form that asks for a key, the form that asks for another moment."""

from __future__ import annotations

from rondo.pages.frame import Frame
from rondo.pages.rendering import render


def sign_in_page(frame: Frame, *, back: str, refused: bool) -> str:
    """The page that asks for a key; `refused` where one was shown that opens nothing."""
    commands = ("rondo key make NAME --scope admin", "rondo key make NAME --scope look")
    return render("sign_in.html", frame, section="sign-in", commands=commands, back=back, refused=refused)


def moment_page(frame: Frame, *, back: str, now: str) -> str:
    """The page that asks for another moment, on the clock of the project's timezone. `now` leads back without one."""
    local = frame.now.astimezone(frame.words.zone)
    return render(
        "as_of.html", frame, section="as-of", commands=("rondo plan --as-of 2013-05-01",), back=back, now=now,
        day=local.date().isoformat(), clock=local.strftime("%H:%M"),
    )  # fmt: skip
