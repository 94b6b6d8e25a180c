"""What an alert found, as a sentence that stands at the head of a page."""

from __future__ import annotations

from markupsafe import Markup

from rondo.language.words import Language
from rondo.records.monitoring import Alert

TITLES = {
    "stale data": "{what} stopped arriving",
    "data blocked": "{what} is held back",
    "missing values": "{what}: values are missing",
    "values out of range": "{what}: values lie where none lay before",
    "unseen values": "{what}: values came that were never seen",
    "skew": "{what}: answered with other values than the join has",
    "drift": "{what} has drifted",
    "quality": "{what}: the model does worse than it should",
    "calibration": "{what}: scores no longer mean what they say",
    "service errors": "The service fails",
    "latency": "The service is slow",
    "prediction log": "The prediction log lags",
}
"""What each rule found, as a sentence about the first thing that it found."""


def title_of(alert: Alert, words: Language) -> Markup:
    """What was found, of the first thing (of data the source, which stands last)."""
    if not alert.about:
        return words.say("{what} is out of its limit", what=words.known(alert.name))
    what = alert.about[-1 if alert.name in ("stale data", "data blocked") else 0].removeprefix("feature ")
    tables = {about.removeprefix("feature ").partition(".")[0] for about in alert.about}
    if len(alert.about) > 1 and len(tables) == 1:
        what = f"{tables.pop()}.*"
    return words.say(TITLES.get(alert.name, "{what} is out of its limit"), what=what)


def measured_at(alert: Alert, words: Language) -> Markup:
    """When that was so which the alert says; empty where a person changed it last, or it is over."""
    if alert.by is not None or alert.state == "resolved":
        return Markup()
    return words.say("measured {at}", at=words.short(alert.changed))
