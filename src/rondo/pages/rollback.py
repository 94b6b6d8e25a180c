"""The way back as a button: what a roll-back does, and whether it would help."""

from __future__ import annotations

from markupsafe import Markup

from rondo.handbook.rollbacks import WayBack
from rondo.language.words import Language
from rondo.pages.actions import Action


def rollback(back: WayBack, words: Language) -> Action:
    """Put back the version that was in production before."""
    return Action(
        id="rollback",
        verb="rollback",
        label=words.say("Roll back to {version}", version=back.behind),
        command=f'rondo rollback {back.model} --because "…"',
        values={"model": back.model, "role": "production"},
        told=(
            words.say(
                "From the next request on, {behind} answers instead of {version}. "
                "It takes under a second; nothing already answered changes.",
                behind=back.behind,
                version=back.version,
            ),
            would_help(back, words),
        ),
        why=words.say("Why"),
        dangerous=True,
    )


def would_help(back: WayBack, words: Language) -> Markup:
    """What is known of how the version before would do."""
    if back.difference is None:
        known = words.say("The two have not been compared: whether it would help is not known.")
    else:
        known = words.say(
            "On {testset} ({rows} rows) the {metric} of {behind} differs from that of {version} by {value} {interval}.",
            testset=back.testset or "",
            rows=words.whole(back.rows),
            metric=back.metric,
            behind=back.behind,
            version=back.version,
            value=words.number(back.difference, signed=True),
            interval=f"[{words.interval(back.low, back.high, signed=True)}]",
        )
    if back.reads_alike:
        alike = words.say("It reads the same tables: it would not help where data is missing or wrong.")
        return known + Markup(" ") + alike
    return known
