"""What `[monitoring]` in `rondo.toml` says of limits: the false alarms that are taken, and limits of one's own.

limit = metric (">=" | "<=" | ">" | "<") (number ["%"] | "none") ["of" feature] ["for" model]
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rondo.errors import DeclarationError

KEYS: Mapping[str, str] = {
    "false_alarms": "how many alerts a month and model are taken although nothing changed; shared by all limits that "
    "are calibrated from history (1)",
    "limits": 'limits of your own, such as `["null_share <= 20 % of weather.temp", "log_lag_s <= 30 for late", '
    '"unseen_share <= none of dest"]`: of several the one that says most counts, `none` takes a limit away (none)',
}
Wrong = Callable[[str, str, str], DeclarationError]
MOST_FALSE_ALARMS = 4.0
_LIMIT = re.compile(
    r"\s*(?P<metric>[^\W\d]\w*)\s*(?P<comparison><=|>=|<|>)\s*"
    r"(?:(?P<none>none)|(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<percent>\s*%)?)"
    r"(?:\s+of\s+(?P<feature>\S+))?(?:\s+for\s+(?P<model>[^\W\d]\w*))?\s*"
)


@dataclass(frozen=True)
class Limit:
    """A limit that somebody declared: the values on its `side` are out. `limit` None: whatever they are, none is."""

    metric: str
    side: Literal["above", "below"]
    limit: float | None
    feature: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Monitoring:
    """`[monitoring]`, with the defaults filled in. `false_alarms` is a month and model."""

    false_alarms: float = 1.0
    limits: tuple[Limit, ...] = ()

    def limit(self, metric: str, feature: str | None, model: str) -> Limit | None:
        """The limit that says most about it: of this feature before any, then for this model before any."""
        fits = [
            each
            for each in self.limits
            if each.metric == metric and each.feature in (None, feature) and each.model in (None, model)
        ]
        return max(fits, key=lambda each: (each.feature is not None, each.model is not None), default=None)


def read_monitoring(values: Mapping[str, object], wrong: Wrong) -> Monitoring:
    """The section. `wrong` makes the error of a key: its name, what is wrong, the next step."""
    false_alarms = values.get("false_alarms", Monitoring.false_alarms)
    if (
        isinstance(false_alarms, bool)
        or not isinstance(false_alarms, int | float)
        or not 0 < false_alarms <= MOST_FALSE_ALARMS
    ):
        raise wrong(
            "false_alarms",
            f"is {false_alarms!r}, not a number of alerts a month above 0 and up to {MOST_FALSE_ALARMS:g}",
            "Write false_alarms = 1.",
        )
    written = values.get("limits", ())
    if not isinstance(written, Sequence) or isinstance(written, str):
        raise wrong("limits", f"is {written!r}, not a list", 'Write limits = ["log_lag_s <= 30"].')
    limits = tuple(_limit(each, wrong) for each in written)
    for n, limit in enumerate(limits):
        about = (limit.metric, limit.feature, limit.model)
        if about in [(each.metric, each.feature, each.model) for each in limits[:n]]:
            raise wrong("limits", f"names {limit.metric} twice: {written[n]!r}", "Keep one of the two.")
    return Monitoring(float(false_alarms), limits)


def _limit(written: object, wrong: Wrong) -> Limit:
    found = _LIMIT.fullmatch(written) if isinstance(written, str) else None
    number = float(found["number"]) / (100 if found["percent"] else 1) if found and found["number"] else None
    if found is None or not math.isfinite(number or 0.0):
        raise wrong(
            "limits",
            f"has {written!r}, which is not a limit",
            'Write a metric, <= or >=, and a number: "null_share <= 20 % of weather.temp", "log_lag_s <= 30 for late".',
        )
    return Limit(
        found["metric"], "below" if found["comparison"][0] == ">" else "above", number, found["feature"], found["model"]
    )
