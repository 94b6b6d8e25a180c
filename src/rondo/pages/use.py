"""A model's page for its end users: the form, and the answer in plain words with its reasons and its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rondo.handbook.trying import Field, Tried
from rondo.handbook.using import Given, UseFacts
from rondo.language.words import Language
from rondo.pages.frame import Frame
from rondo.pages.prose import prose
from rondo.pages.rendering import rendered
from rondo.project.using import FieldWords

REASONS = 3
"""So many reasons are named on either side."""
CHOSEN = 12
"""Up to so many values are chosen from a list; more are typed, and offered meanwhile."""
TELLING = 0.05
"""A reason smaller than this part of the largest is not worth a line."""
INPUTS: Mapping[str, str] = {"whole": "number", "number": "number", "moment": "datetime-local", "day": "date"}


@dataclass(frozen=True)
class Asked:
    """A field as the form shows it."""

    name: str
    label: str
    input: str
    step: str
    given: str
    choices: Sequence[tuple[str, str]]
    typed: bool
    help: str
    wrong: str | None


@dataclass(frozen=True)
class Said:
    """The answer in words."""

    said: str | Markup
    chance: Markup | None
    picture: Markup | None
    certainty: Markup | None
    up_title: Markup
    up: Sequence[Markup]
    down_title: Markup
    down: Sequence[Markup]
    missing: Markup | None


def use_page(facts: UseFacts, frame: Frame) -> str:
    """The page as HTML. `frame` says the language and the timezone."""
    words, told = frame.words, facts.words
    answer = _said(facts, facts.given.tried, words) if facts.given else None
    return rendered(
        "use.html",
        words,
        facts=facts,
        title=told.title or _spaced(facts.model),
        question=told.question,
        answer=answer,
        fields=[_asked(facts, each, words) for each in facts.fields if not each.moment or each.name in told.fields],
        button=told.button or words.say("Ask"),
        prose=prose(told.body, frame, highest=1) if told.body.strip() else None,
        asked=_asked_at(facts.given, words) if facts.given else None,
        who=", ".join(person.reached for person in facts.who),
        other=frame.here(lang="en" if words.code == "ko" else "ko"),
    )


def _asked(facts: UseFacts, field: Field, words: Language) -> Asked:
    told = facts.words.fields.get(field.name, FieldWords())
    choices: list[tuple[str, str]] = [(value, told.choices.get(value, value)) for value in field.choices]
    if field.kind == "boolean":
        choices = [("true", str(words.say("yes"))), ("false", str(words.say("no")))]
    return Asked(
        name=field.name,
        label=told.label or _spaced(field.name),
        input=INPUTS.get(field.kind, "text"),
        step={"whole": "1", "number": "any"}.get(field.kind, ""),
        given=field.given,
        choices=sorted(choices, key=lambda each: each[1]) if told.choices else choices,
        typed=len(choices) > CHOSEN and not told.choices,
        help=told.help or _help(field, words),
        wrong=field.wrong,
    )


def _help(field: Field, words: Language) -> str:
    if field.kind == "moment":
        return str(words.say("Time in {timezone}.", timezone=words.timezone))
    if field.low is not None and field.high is not None and field.kind in ("whole", "number"):
        return str(words.say("Seen so far: {low} to {high}.", low=_short(field.low), high=_short(field.high)))
    return ""


def _said(facts: UseFacts, tried: Tried, words: Language) -> Said:
    told = facts.words
    rows = told.rows or str(words.say("cases"))
    chance, picture = None, None
    if facts.task == "binary" and tried.score is not None:
        said = (told.flagged if tried.flagged else told.not_flagged) or _label(facts, tried, words)
        happens = told.happens or str(
            words.say("turned out as {label}: {value}", label=facts.label_name, value=facts.positive)
        )
        n = _in_hundred(tried.score)
        chance = words.say("Of 100 {rows} like this one, about {n} {happens}.", rows=rows, n=n, happens=happens)
        picture = hundred(tried.score, str(words.say("{n} of 100", n=n)))
    elif tried.value is not None:
        value = words.number(tried.value)
        said = told.expected.replace("{value}", value) if told.expected else _label(facts, tried, words)
    else:
        said = told.expected.replace("{value}", str(tried.label)) if told.expected else _label(facts, tried, words)
    up, down = _reasons(facts, tried, words)
    rising = words.say("What makes it more likely") if facts.task != "regression" else words.say("What raises it")
    falling = words.say("What makes it less likely") if facts.task != "regression" else words.say("What lowers it")
    return Said(
        said, chance, picture, _certainty(facts, tried, rows, words), rising, up, falling, down,
        _missing(facts, tried, words),
    )  # fmt: skip


def _label(facts: UseFacts, tried: Tried, words: Language) -> Markup:
    value = words.number(tried.value) if tried.value is not None else tried.label
    return words.say("{label}: {value}", label=_spaced(facts.label_name), value=value)


def _certainty(facts: UseFacts, tried: Tried, rows: str, words: Language) -> Markup | None:
    """How far the answer can be trusted, from what came true of test rows that scored alike."""
    alike = tried.alike
    if alike is None or alike.observed is None:
        return None
    if facts.task == "regression":
        if alike.tenth is None or alike.ninth is None:
            return None
        return words.say(
            "Of the {n} {rows} with a similar answer when it was tested, eight in ten lay between {low} and {high}.",
            n=words.whole(alike.n), rows=rows, low=words.number(alike.tenth), high=words.number(alike.ninth),
        )  # fmt: skip
    if facts.task != "binary" or alike.low is None or alike.high is None:
        return None
    return words.say(
        "When it was tested, this came true for {observed} in 100 of the {n} {rows} with a similar answer; "
        "between {low} and {high} in 100 is as sure as that can be said.",
        observed=_in_hundred(alike.observed), n=words.whole(alike.n), rows=rows,
        low=_in_hundred(alike.low), high=_in_hundred(alike.high),
    )  # fmt: skip


def _reasons(facts: UseFacts, tried: Tried, words: Language) -> tuple[list[Markup], list[Markup]]:
    """What speaks for and against, the weightiest first; what is not known is told apart."""
    largest = max((abs(part) for _, _, part in tried.parts), default=0.0)
    weighty = [each for each in tried.parts if abs(each[2]) > TELLING * largest and each[1] is not None]
    up = [_reason(facts, name, value, words) for name, value, part in weighty if part > 0]
    down = [_reason(facts, name, value, words) for name, value, part in weighty if part < 0]
    return up[:REASONS], down[:REASONS]


def _reason(facts: UseFacts, feature: str, value: object, words: Language) -> Markup:
    field = facts.words.fields.get(feature, FieldWords())
    shown = words.number(value) if isinstance(value, float) else field.choices.get(str(value), str(value))
    return words.say("{feature}: {value}", feature=_feature(facts, feature), value=shown)


def _missing(facts: UseFacts, tried: Tried, words: Language) -> Markup | None:
    if not tried.missing:
        return None
    names = ", ".join(_feature(facts, name) for name in tried.missing)
    return words.say("Not known, so that the answer is less certain: {names}.", names=names)


def _feature(facts: UseFacts, feature: str) -> str:
    """A feature in words: as the project calls it, else its field's label, else its own name with spaces."""
    field = facts.words.fields.get(feature)
    named = facts.words.reasons.get(feature) or (field.label if field else None)
    if named:
        return named
    table, _, column = feature.rpartition(".")
    return f"{_spaced(column)} ({_spaced(table)})" if table else _spaced(column)


def _asked_at(given: Given, words: Language) -> Markup:
    return words.say(
        "Answered on {at} by {version}; the answer’s number is {id}.",
        at=words.moment(given.at), version=given.tried.version, id=given.id,
    )  # fmt: skip


def hundred(share: float, spoken: str) -> Markup:
    """A hundred dots of which as many are filled as the share says: a frequency that can be seen."""
    on = round(100 * share)
    dots = Markup("").join(
        Markup('<circle{} cx="{}" cy="{}" r="4"/>').format(
            Markup(' class="on"') if n < on else "", 6 + 12 * (n % 10), 6 + 12 * (n // 10)
        )
        for n in range(100)
    )
    return Markup(
        '<svg viewBox="0 0 120 120" width="120" height="120" role="img" aria-label="{}">{}</svg>'
    ).format(spoken, dots)  # fmt: skip


def _in_hundred(share: float) -> str:
    n = round(100 * share)
    return "<1" if n == 0 and share > 0 else ">99" if n == 100 and share < 1 else str(n)


def _short(value: float) -> str:
    return f"{value:,.10g}"


def _spaced(name: str) -> str:
    return name.replace("_", " ").strip() or name
