"""Questions 21 and 23: two models on the same rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlencode

from rondo.handbook.questions.answers import Answer, Fact, Table
from rondo.handbook.questions.desk import Desk
from rondo.records.deployment import Deployment
from rondo.records.development import Comparison
from rondo.records.running import Replayed
from rondo.records.versions import model_version
from rondo.store.ledger import Entry

MONTHS = 10
BEGINNING = 6
"""A replay begins when a sixth of what was trained on had been recorded."""


def offline(desk: Desk) -> Answer:
    """21: a paired comparison on one test set, with the interval of the difference."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"))
    if desk.shown is None or desk.newest is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    facts = [
        Fact(
            say(
                "Both versions answer the same rows; the interval is of the difference, whole days "
                "resampled where there is time."
            ),
            "/compare",
        )
    ]
    pair = _pair(desk)
    if pair is None:
        facts.append(
            Fact(
                say(
                    "There is one version, {version}: it was compared with the simplest of models at its gate.",
                    version=desk.version,
                ),
                f"/models/{desk.name}",
            )
        )
        for line in desk.gate.record.requirements if desk.gate else ():
            if line.text.startswith(("better than", "not worse than")) and line.value is not None:
                told = say(
                    "{requirement}: {value} ({interval}).",
                    requirement=line.text,
                    value=desk.words.number(line.value, signed=True),
                    interval=desk.words.interval(line.low, line.high, signed=True),
                )
                facts.append(Fact(told))
        return Answer(tuple(facts), (desk.command(f"rondo gate {desk.name}", "records", 5.0),), who)
    a, b = pair
    command = desk.command(f"rondo compare {a} {b}{desk.on}", "records", 10.0)
    entry = desk.ledger.latest(Comparison, name=desk.name)
    if entry is None:
        facts.append(Fact(say("{a} and {b} were not compared yet: the command does.", a=a, b=b)))
        return Answer(tuple(facts), (command,), who)
    facts.append(Fact(_told(desk, entry.record), _page(entry.record)))
    return Answer(tuple(facts), (command,), who, table=_table(desk, entry.record))


def _pair(desk: Desk) -> tuple[str, str] | None:
    """The version shown and the one before it, or the newest and the one shown."""
    numbers = [entry.record.version for entry in desk.versions]
    shown = desk.shown.record.version if desk.shown else 0
    others = [number for number in numbers if number != shown]
    if not others:
        return None
    newer = [number for number in others if number > shown]
    a, b = (max(newer), shown) if newer else (shown, max(others))
    return model_version(desk.name, a), model_version(desk.name, b)


def _told(desk: Desk, found: Comparison) -> str:
    verdict = {"a": found.a, "b": found.b}.get(found.verdict)
    metric = desk.metric.name if desk.metric and desk.metric.name in found.metrics else next(iter(found.metrics))
    figure = found.metrics[metric]
    said = desk.say(
        "{a} less {b} on {testset}, {rows} rows: {metric} {difference} ({interval}).",
        a=found.a,
        b=found.b,
        testset=desk.words.known(found.testset),
        rows=f"{found.rows:,}",
        metric=metric,
        difference=desk.words.number(figure.difference, signed=True),
        interval=desk.words.interval(figure.low, figure.high, signed=True),
    )
    better = desk.say("{version} is better.", version=verdict) if verdict else desk.say("Which is better is undecided.")
    return f"{said} {better}"


def _table(desk: Desk, found: Comparison) -> Table:
    number = desk.words.number
    rows = tuple(
        (
            name,
            number(f.a),
            number(f.b),
            number(f.difference, signed=True),
            desk.words.interval(f.low, f.high, signed=True),
        )
        for name, f in found.metrics.items()
    )
    return Table(
        (desk.say("metric"), found.a, found.b, desk.say("difference"), desk.say("95 % interval")), rows, (1, 2, 3, 4)
    )


def of_long_ago(desk: Desk) -> Answer:
    """23: `compare late@production late@{date}`, run on the same rows."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"))
    if desk.shown is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    then = months_before(desk.now, MONTHS)
    held = _in_production(desk, then)
    if held is None:
        what = say("Nothing was ever in production, so there is nothing to compare with.")
        return Answer((), (), who, what, f"rondo promote {desk.version} --to production")
    day = max(held.at, then)
    old = model_version(desk.name, held.record.version)
    production = desk.at_work.get("production")
    facts = [
        Fact(
            say("Ten months ago, on {day}, {version} was in production.", day=desk.words.day(day), version=old)
            if held.at <= then
            else say(
                "Ten months ago nothing was in production; the first was {version}, on {day}.",
                version=old,
                day=desk.words.day(day),
            ),
            f"/models/{desk.name}/{held.record.version}",
        )
    ]
    a = f"{desk.name}@production" if production is not None else desk.version
    named = f"{desk.name}@{day.astimezone(desk.words.zone):%Y-%m-%d}"
    command = desk.command(f"rondo compare {a} {named}{desk.on}", "records", 10.0)
    if production is None or production.record.version == held.record.version:
        what = say("{version} is still the one in production: a comparison would be with itself.", version=old)
        return Answer(tuple(facts), (command,), who, what, _history(desk))
    found = _compared(desk, model_version(desk.name, production.record.version), old)
    if found is None:
        facts.append(Fact(say("The command answers the same rows with both; it has not been run yet.")))
        return Answer(tuple(facts), (command,), who)
    facts.append(Fact(_told(desk, found), _page(found)))
    return Answer(tuple(facts), (command,), who, table=_table(desk, found))


def _page(found: Comparison) -> str:
    """Where a comparison is shown."""
    return f"/compare?{urlencode({'a': found.a, 'b': found.b, 'on': found.testset}, safe='@')}"


def _history(desk: Desk) -> str:
    """The command that plays recorded time, and so brings several versions into production, where there is any."""
    moments = desk.dataset.record.moments.get("train", []) if desk.dataset else []
    if not moments:
        return desk.command("rondo run").text
    start, end = moments[0] + (moments[-1] - moments[0]) / BEGINNING, desk.now
    days = [f"{at.astimezone(desk.words.zone):%Y-%m-%d}" for at in (start, end)]
    return f"rondo replay history --from {days[0]} --to {days[1]}"


def months_before(moment: datetime, months: int) -> datetime:
    """The same clock so many months earlier, on the last day of a month that is too short."""
    whole = moment.year * 12 + moment.month - 1 - months
    year, month = divmod(whole, 12)
    following = datetime(year + (month == 11), (month + 1) % 12 + 1, 1, tzinfo=moment.tzinfo)
    last = (following - timedelta(days=1)).day
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def _in_production(desk: Desk, then: datetime) -> Entry[Deployment] | None:
    """What was in production at a moment, or else the first that ever was."""
    where = {"role": "production"}
    found = desk.ledger.latest(Deployment, name=desk.name, where=where, until=then)
    if found is not None and not found.record.ended:
        return found
    first = desk.ledger.entries(Deployment, name=desk.name, where=where, limit=1)
    return first[0] if first else None


def _compared(desk: Desk, a: str, b: str) -> Comparison | None:
    """These two as last compared: by hand, or by the replay that this state comes from."""
    for entry in desk.ledger.entries(Comparison, name=desk.name, limit=100, newest_first=True):
        if (entry.record.a, entry.record.b) == (a, b):
            return entry.record
    replay = desk.ledger.latest(Replayed)
    for each in replay.record.comparisons if replay else ():
        if (each.a, each.b) == (a, b):
            return each
    return None
