"""What a reader may do from a page: the command that does the same, shown before it runs; and that it was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from rondo.language.words import Language


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


@dataclass(frozen=True)
class Done:
    """What a reader has just done: the action's verb, what about, and to what (a role, a line, a step)."""

    verb: str
    about: str
    to: str = ""


def told(done: Done, words: Language) -> Markup:
    """What was done, as a sentence."""
    about, to = Markup("<b>{}</b>").format(done.about), words.known(done.to)
    match done.verb:
        case "promote":
            return words.say("{about} is at work as {role}.", about=about, role=to)
        case "rollback":
            return words.say("{about} is back in production.", about=about)
        case "take_off":
            return words.say("{about} is {role} no longer.", about=about, role=to)
        case "sign":
            return words.say("You have signed for {line} of {about}.", line=to, about=about)
        case "compare":
            return words.say("{a} and {b} are compared.", a=about, b=to)
        case "acknowledge":
            return words.say("Alert {about} is acknowledged: you look after it.", about=about)
        case "resolve":
            return words.say("Alert {about} is resolved.", about=about)
        case "silence":
            return words.say("Nobody is told of {about} until {until}.", about=about, until=to)
        case "speak":
            return words.say("{about} is silenced no longer.", about=about)
        case "take":
            return words.say("Incident {about} is yours.", about=about)
        case "close":
            return words.say("Incident {about} is closed.", about=about)
        case "tick":
            return words.say("Done: {step}", step=to)
        case "untick":
            return words.say("Not done after all: {step}", step=to)
        case _:
            return words.say("Your note on {about} is recorded.", about=about)
