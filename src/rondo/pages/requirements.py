"""A requirement as a page shows it: its value with bounds, drawn against its limit, and its state in words."""

from __future__ import annotations

from markupsafe import Markup

from rondo.errors import DeclarationError
from rondo.language.words import Language
from rondo.pages.charts import whisker
from rondo.pages.ring import Mark
from rondo.project.requirements import parse_requirement
from rondo.records.development import RequirementResult, State

MARKS: dict[State, Mark] = {
    "passed": "good",
    "failed": "bad",
    "undecided": "open",
    "unexamined": "idle",
    "not_applicable": "idle",
}


def held(
    line: RequirementResult, words: Language, *, higher_is_better: bool, live: float | None = None
) -> tuple[Markup, Markup | None, Markup]:
    """A requirement's value with its bounds, its plot (None without a value) and its state in words.

    `higher_is_better` is the direction of the model's metric, which a difference is held in; `live` is what was
    measured of the same since, drawn hollow.
    """
    state = words.say(line.state.replace("_", " "))
    if line.signed_by:
        state = words.say("signed by {who}", who=line.signed_by)
    binding = next((piece for piece in line.slices or () if piece.value == line.value is not None), None)
    if binding is not None:
        state += Markup(' <span class="ci">{}</span>').format(binding.is_)
    above = _allowed_above(line, higher_is_better)
    written = Markup('{} <span class="ci">{}</span>').format(
        words.number(line.value, signed=above is None),
        "" if line.low == line.high else words.interval(line.low, line.high, signed=above is None),
    )
    if line.value is None or line.limit is None:
        return written, None, state
    name = words.say("{value}, limit {limit}", value=words.number(line.value), limit=f"{line.limit:g}")
    above = higher_is_better if above is None else above
    mark = "ink" if line.state == "undecided" else MARKS[line.state]
    plot = whisker(line.value, line.low, line.high, line.limit, above=above, state=mark, name=str(name), second=live)
    return written, plot, state


def _allowed_above(line: RequirementResult, higher_is_better: bool) -> bool | None:
    """Whether a line allows values above its limit; None for a difference, where the metric's direction decides."""
    try:
        parsed = parse_requirement(line.text)
    except DeclarationError:
        return higher_is_better  # a line of an older document, which the grammar of today no longer reads
    return parsed.comparison == ">=" if parsed.kind == "metric" else None
