"""A prediction in words: what was answered, what it was about, whether it was right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from markupsafe import Markup

from rondo.handbook.predictions import Answered, Value
from rondo.language.words import NONE, Language
from rondo.records.tables import Scalar


def called(label: Scalar, name: str, positive: Scalar, words: Language) -> Markup:
    """A label: of a yes-or-no column its name, or not; else the class itself."""
    if label is None:
        return Markup(NONE)
    if isinstance(label, bool) and isinstance(positive, bool):
        return words.say("{label}", label=name) if label is positive else words.say("not {label}", label=name)
    return Markup("{}").format(label)


def answer_of(answer: Answered, words: Language) -> str:
    """The score, the value, or the likeliest class's probability."""
    if answer.score is not None:
        return words.share(answer.score)
    if answer.value is not None:
        return words.number(answer.value)
    return words.share(max(answer.scores.values())) if answer.scores else NONE


def written(value: Value, words: Language) -> str:
    """A value of a field or feature."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return words.moment(value)
    if isinstance(value, int):
        return f"{value}".replace("-", "−")
    if isinstance(value, float):
        return words.number(value) if value != int(value) else words.whole(int(value))
    return str(value)


def about(key: Mapping[str, Value], words: Language) -> Markup:
    """What a prediction is about, in a line: the values of its key, moments short."""
    there = [value for value in key.values() if value is not None]
    parts = [words.short(value) if isinstance(value, datetime) else written(value, words) for value in there]
    return Markup(" · ").join(Markup("{}").format(part) for part in parts)


def came_true(answer: Answered, name: str, positive: Scalar, words: Language) -> Markup:
    """The outcome, with a cross where the call was wrong; nothing while it is not known."""
    if answer.outcome_known is None:
        return Markup("")
    if answer.value is not None and isinstance(answer.outcome, int | float):
        return Markup("{}").format(words.number(float(answer.outcome)))
    told = called(answer.outcome, name, positive, words)
    if answer.right is False:
        told += Markup(' <span class="state bad">{}</span>').format(words.say("wrong"))
    return told


def writers(task: str, words: Language) -> tuple[Callable[[float], str], Callable[[float], str]]:
    """How answers and what is added to them are written: shares of probabilities, numbers of values."""
    if task == "regression":
        return words.number, lambda added: words.number(added, signed=True)
    return words.share, lambda added: f"{100 * added:+.1f}".replace("-", "−")
