"""How old a table's newest row was, and how its label moved, over time."""

from __future__ import annotations

from rondo.handbook.table import TableDetails
from rondo.pages.frame import Frame
from rondo.pages.plots import WIDTH, Spec, limit_rule, local, time_axis
from rondo.pages.tables import length
from rondo.pages.vega import Chart, chart

HOUR_S = 3_600


def age_chart(facts: TableDetails, frame: Frame) -> Chart | None:
    """How old the newest row was, whenever it was looked at."""
    words, fresh = frame.words, facts.about.freshness
    if len(facts.ages) < 2 or fresh is None or fresh.limit_s is None:
        return None
    limit = fresh.limit_s / HOUR_S
    y = {"field": "hours", "type": "quantitative", "axis": {"title": str(words.say("hours")), "tickCount": 4}}
    spec: Spec = {
        "width": WIDTH - 60,
        "height": 110,
        "layer": [
            {
                "data": {"values": [{"at": local(each.at, words), "hours": each.hours} for each in facts.ages]},
                "mark": {"type": "line", "strokeWidth": 1.25},
                "encoding": {"x": time_axis("at", words), "y": y},
            },
            limit_rule(limit, str(words.say("limit {age}", age=length(fresh.limit_s, words)))),
        ],
    }
    late = len(facts.gaps)
    title = (
        words.count("Late once in the time shown", "Late {n} times in the time shown", late)
        if late
        else words.say("Never late in the time shown")
    )
    told = words.say(
        "Age of the newest row in hours, whenever it was looked at, from {start} to {end}.",
        start=words.day(facts.ages[0].at), end=words.day(facts.ages[-1].at),
    )  # fmt: skip
    return chart(frame, spec, "age", title=title, subtitle=told, spoken=str(title))


def label_chart(facts: TableDetails, frame: Frame) -> Chart | None:
    """The share of the label by week of the moment that is asked about."""
    words, weeks = frame.words, facts.label
    if len(weeks) < 2:
        return None
    binary = facts.label_is is not None
    axis = {"title": None, **({"format": ".0%"} if binary else {})}
    y = {"field": "value", "type": "quantitative", "axis": axis, "scale": {"zero": binary}}
    spec: Spec = {
        "data": {"values": [{"at": local(each.start, words), "value": each.value} for each in weeks]},
        "width": WIDTH - 60,
        "height": 130,
        "mark": {"type": "line"},
        "encoding": {"x": time_axis("at", words), "y": y},
    }
    low, high = (min(weeks, key=lambda week: week.value), max(weeks, key=lambda week: week.value))

    def told(share: float) -> str:
        return words.share(share) if binary else words.number(share)

    title = words.say(
        "Between {low} (week of {low_day}) and {high} (week of {high_day})", low=told(low.value), high=told(high.value),
        low_day=words.day(low.start), high_day=words.day(high.start),
    )  # fmt: skip
    subtitle = (
        words.say("Share of {label} among the examples, by week of their moment.", label=facts.label_is)
        if binary
        else words.say("Mean of {label} among the examples, by week of their moment.", label=facts.contract.label or "")
    )
    return chart(frame, spec, "label-share", title=title, subtitle=subtitle, spoken=str(title))
