"""Questions 6, 7, 13, 19, 20, 22 and 26: what models are tested on, by what, and how they did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rondo.handbook.questions.answers import Answer, Fact, Point, Series, Table
from rondo.handbook.questions.data import length
from rondo.handbook.questions.desk import SHOWN, TEST, Desk
from rondo.monitor.measurements import Identity, identity, is_of_week
from rondo.project.models import Split
from rondo.records.development import Evaluation, Gate, RequirementResult
from rondo.records.monitoring import Measurement
from rondo.records.studies import Ranking
from rondo.records.versions import model_version

MEASURED = 1_000
"""So many of the newest measurements of a metric are looked through for its weeks."""
METRICS_FILE = "metrics.py"


def examples_for_testing(desk: Desk) -> Answer:
    """6: the splits with their rules, sizes and dates; the named test sets; the golden examples."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"))
    if desk.model is None or desk.dataset is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    dataset = desk.dataset.record
    facts = [Fact(_rule(desk, desk.model.split), f"/models/{desk.name}", desk.where(desk.name))]
    for name, testset in desk.work.project.testsets.items():
        held = {
            "sql": say("rows of an examples table"),
            "csv": say("inputs and label"),
            "jsonl": say("rows with the score expected"),
        }
        facts.append(Fact(say("Test set {name}: {what}.", name=name, what=held[testset.kind]), None, testset.file))
    if desk.shown is not None and "golden.json" in desk.shown.record.files:
        facts.append(
            Fact(
                say(
                    "{version} carries golden rows of its own, whose scores are checked whenever it is loaded.",
                    version=desk.version,
                )
            )
        )
    rows = []
    for name, count in dataset.splits.items():
        start, end = (
            (desk.words.day(at) for at in dataset.moments.get(name, [])[:2])
            if dataset.moments.get(name)
            else ("–", "–")
        )
        rows.append((desk.words.known(name), f"{count:,}", start, end))
    for name in desk.work.project.testsets:
        found = desk.evaluation(desk.shown.record.version, name) if desk.shown else None
        rows.append((name, f"{found.rows:,}" if found else "–", "–", "–"))
    commands = [
        desk.command(f"rondo evaluate {desk.name} --on {name}", "records", 5.0)
        for name in [*desk.work.project.testsets][:2]
    ]
    query = f"select split, count(*) as rows from dataset.{desk.name} group by split"
    commands.append(desk.command(f'rondo sql "{query}"', about_s=1.0))
    columns = (say("part"), say("rows"), say("from"), say("to"))
    return Answer(tuple(facts), tuple(commands), who, table=Table(columns, tuple(rows), (1,)))


def _rule(desk: Desk, split: Split) -> str:
    if split.kind == "time":
        return desk.say(
            "Split by time: the newest {test} are the test, the {validation} before them validation, "
            "and no training label "
            "became known after validation began.",
            test=length(desk, split.test),
            validation=length(desk, split.validation),
        )
    by = (
        desk.say("at random")
        if split.kind == "random"
        else desk.say("by {column}, all its rows together", column=split.column)
    )
    return desk.say(
        "Split {by}: {validation} validation, {test} test.",
        by=by,
        validation=desk.words.share(split.validation),
        test=desk.words.share(split.test),
    )


def judged_by(desk: Desk) -> Answer:
    """7: the requirements of the PRD, with today's value and interval beside each."""
    say = desk.say
    prd = desk.prd
    who = desk.ask((prd.owner if prd else None, "product_manager"))
    if desk.model is None or desk.metric is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    facts = [
        Fact(
            say("{model} is chosen by {metric}.", model=desk.name, metric=desk.metric.name),
            f"/models/{desk.name}",
            desk.where(desk.name),
        )
    ]
    commands = [desk.command(f"rondo gate {desk.name}", "records", 5.0)] if desk.shown else []
    if prd is None:
        what = say("No requirements are written for {model}.", model=desk.name)
        return Answer(tuple(facts), tuple(commands), who, what, "rondo init example --template flights")
    facts.append(
        Fact(
            desk.counted("One requirement.", "{n} requirements.", len(prd.requirements)),
            f"/docs/{prd.file[5:-3]}",
            prd.file,
        )
    )
    if desk.gate is None:
        what, step = say("No version has been held against them."), f"rondo run {desk.name}"
        return Answer(tuple(facts), tuple(commands), who, what, step)
    gate = desk.gate.record
    told = say(
        "{version} {state} when it was held against them on {at}.",
        version=model_version(gate.name, gate.version),
        state=desk.words.known(gate.state),
        at=desk.words.moment(desk.gate.at),
    )
    facts.append(Fact(told, f"/models/{gate.name}/{gate.version}"))
    facts += _live(desk)
    columns = (say("requirement"), say("value"), say("95 % bounds"), say("limit"), say("rows"), say("state"))
    return Answer(
        tuple(facts),
        tuple(commands),
        who,
        table=Table(columns, tuple(_line(desk, each) for each in gate.requirements), (1, 2, 3, 4)),
    )


def _line(desk: Desk, line: RequirementResult) -> tuple[str, ...]:
    number = desk.words.number
    signed = f" ({line.signed_by})" if line.signed_by else ""
    return (
        line.text,
        number(line.value),
        desk.words.interval(line.low, line.high),
        number(line.limit),
        desk.words.whole(line.n),
        desk.words.known(line.state.replace("_", " ")) + signed,
    )


def _live(desk: Desk) -> list[Fact]:
    """The newest measured week of what the model is chosen by."""
    weeks = weeks_of(desk)
    if not weeks or weeks[-1].value is None or desk.metric is None:
        return []
    last = weeks[-1]
    told = desk.say(
        "In production its {metric} was {value} ({interval}) in the week to {day}, over {n} outcomes.",
        metric=desk.metric.name,
        value=desk.words.number(last.value),
        interval=desk.words.interval(last.low, last.high),
        day=desk.words.day(last.end - timedelta(seconds=1)),
        n=f"{last.n or last.matured:,}",
    )
    return [Fact(told, f"/live/{desk.name}")]


def weeks_of(desk: Desk) -> list[Measurement]:
    """The weeks of what the model is chosen by, as last measured over all rows in production, oldest first."""
    if desk.metric is None:
        return []
    where = {"metric": desk.metric.name, "by": None, "feature": None}

    def read() -> list[Measurement]:
        found: dict[Identity, Measurement] = {}
        for entry in desk.ledger.entries(Measurement, name=desk.name, where=where, limit=MEASURED, newest_first=True):
            if is_of_week(entry.record) and entry.record.value is not None:
                found.setdefault(identity(entry.record), entry.record)
        return sorted(found.values(), key=lambda each: each.start)

    return desk.kept(("weeks", desk.metric.name), Measurement, read)


def added(desk: Desk) -> Answer:
    """13: where the file goes, and the command that evaluates on it."""
    say, project = desk.say, desk.work.project
    facts = [
        Fact(
            say(
                "A file in testsets/ is a test set, called as the file: NAME.sql selects rows of an "
                "examples table, NAME.csv holds inputs and label, NAME.jsonl rows with the score "
                "expected."
            )
        )
    ]
    if project.testsets:
        facts += [Fact(say("There is {name}.", name=name), None, each.file) for name, each in project.testsets.items()]
    else:
        facts.append(Fact(say("There is none yet.")))
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"), (None, "data_analyst"))
    if desk.shown is None or desk.examples is None:
        what, step = desk.unmodelled()
        return Answer(tuple(facts), (), who, what, step)
    text = f"select * from {desk.examples.name}" + (
        f" where {desk.examples.time} >= '{desk.now:%Y}-01-01'" if desk.examples.time else ""
    )
    facts.append(Fact(say("For example testsets/recent.sql: {sql}", sql=text)))
    commands = [desk.command(f"rondo evaluate {desk.name}{desk.on}", "records", 5.0)]
    return Answer(tuple(facts), tuple(commands), who)


def standard(desk: Desk) -> Answer:
    """19: the evaluate command and its output."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"))
    if desk.shown is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    number = desk.shown.record.version
    command = desk.command(f"rondo evaluate {desk.version}{desk.on}", "records", 5.0)
    found = desk.evaluation(number, desk.testset) or desk.evaluation(number, TEST)
    if found is None:
        return Answer((), (command,), who, say("{version} was not evaluated yet.", version=desk.version), command.text)
    facts = [
        Fact(
            say(
                "{version} on {testset}, {rows} rows, whole days resampled:",
                version=desk.version,
                testset=found.testset,
                rows=f"{found.rows:,}",
            )
            if found.blocks
            else say(
                "{version} on {testset}, {rows} rows:",
                version=desk.version,
                testset=found.testset,
                rows=f"{found.rows:,}",
            ),
            f"/models/{desk.name}/{number}",
        )
    ]
    facts.append(
        Fact(
            say(
                "Slices by {columns} stand beside them.",
                columns=", ".join(dict.fromkeys(each.by for each in found.slices)),
            )
        )
        if found.slices
        else Fact(say("No slices are declared."))
    )
    rows = tuple(
        (name, desk.words.number(f.value), desk.words.interval(f.low, f.high), f"{f.n:,}")
        for name, f in found.metrics.items()
    )
    table = Table((say("metric"), say("value"), say("95 % interval"), say("rows")), rows, (1, 2, 3))
    return Answer(tuple(facts), (command,), who, table=table)


def own_metric(desk: Desk) -> Answer:
    """20: where it goes, the ones that exist and their values."""
    say, metrics = desk.say, desk.work.project.metrics
    facts = [
        Fact(
            say(
                "A function in metrics.py, marked @rd.metric(…): it gets the truth, the scores and the "
                "labels as arrays and "
                "answers one number."
            ),
            None,
            METRICS_FILE if metrics else None,
        ),
        Fact(
            say(
                'import rondo as rd  ·  @rd.metric(task="binary")  ·  def recall_at_20(y_true, y_score, '
                "y_label) -> float: …"
            )
        ),
    ]
    found = desk.evaluation(desk.shown.record.version, TEST) if desk.shown else None
    for name in metrics:
        figure = found.metrics.get(name) if found else None
        facts.append(Fact(say("{name} = {value}", name=name, value=desk.figure(figure))))
    if not metrics:
        facts.append(
            Fact(
                say(
                    "There is none yet: the model is judged by {names}.",
                    names=", ".join(m.name for m in desk.metrics) or "–",
                )
            )
        )
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"))
    if desk.shown is None:
        what, step = desk.unmodelled()
        return Answer(tuple(facts), (), who, what, step)
    return Answer(tuple(facts), (desk.command(f"rondo evaluate {desk.version}", "records", 5.0),), who)


def many(desk: Desk) -> Answer:
    """22: the table of all versions by all test sets."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"), (None, "applied_scientist"))
    if desk.metric is None or not desk.versions:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    testsets = [TEST, *(name for name, each in desk.work.project.testsets.items() if each.kind != "jsonl")]
    rows = []
    for entry in desk.versions:
        number = entry.record.version
        found = {name: desk.evaluation(number, name) for name in testsets}
        rows.append((model_version(desk.name, number), *(_cell(desk, found[name]) for name in testsets)))
    commands = [desk.command(f"rondo evaluate {desk.name} --all{desk.on}", "records", 30.0)]
    facts = [
        Fact(
            say(
                "{versions} by {testsets}: {metric} with its 95 % interval. The test split of each "
                "version is its own newest stretch, so "
                "that column does not rank them.",
                versions=desk.counted("One version", "{n} versions", len(rows)),
                testsets=desk.counted("one test set", "{n} test sets", len(testsets)),
                metric=desk.metric.name,
            ),
            "/models",
        )
    ]
    ranking = desk.ledger.latest(Ranking, name=desk.name)
    if ranking is not None:
        best = ranking.record.best
        told = (
            say(
                "On {testset} {version} is the best of them.",
                testset=ranking.record.testset,
                version=model_version(desk.name, best),
            )
            if best is not None
            else say("On {testset} no version is shown to be better than all others.", testset=ranking.record.testset)
        )
        facts.append(Fact(told))
    else:
        facts.append(Fact(say("They have not been ranked on the same rows yet; the command does that.")))
    return Answer(
        tuple(facts),
        tuple(commands),
        who,
        table=Table(
            (say("version"), *(map(desk.words.known, testsets))), tuple(rows), tuple(range(1, 1 + len(testsets)))
        ),
    )


def _cell(desk: Desk, found: Evaluation | None) -> str:
    return desk.figure(found.metrics.get(desk.metric.name)) if found and desk.metric else "–"


def over_time(desk: Desk) -> Answer:
    """26: the history of evaluations, by version and by week of what ran."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"))
    if desk.metric is None or not desk.versions:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    metric = desk.metric.name
    weeks = weeks_of(desk)
    measured = (
        f"select start, value, low, high, n from measurements.{desk.name} "
        f"where metric = '{metric}' and slice_by is null order by start"
    )
    recorded = (
        f"select e.at, version, testset, metrics from ledger.evaluations e where name = '{desk.name}' order by seq"
    )
    commands = [desk.command(f'rondo sql "{query}"', about_s=1.0) for query in (measured, recorded)]
    facts = []
    if weeks:
        values = sorted(each.value for each in weeks if each.value is not None)
        facts.append(
            Fact(
                say(
                    "{weeks} in production since {start}: {metric} from {low} to {high}, in the middle {middle}.",
                    weeks=desk.counted("One week", "{n} weeks", len(values)),
                    start=desk.words.day(weeks[0].start),
                    metric=metric,
                    low=desk.words.number(values[0]),
                    high=desk.words.number(values[-1]),
                    middle=desk.words.number(values[len(values) // 2]),
                ),
                f"/live/{desk.name}",
            )
        )
    else:
        facts.append(Fact(say("No week has been measured in production yet."), f"/live/{desk.name}"))
    rows = []
    for entry in desk.versions:
        found = desk.evaluation(entry.record.version, TEST)
        gate = desk.ledger.latest(Gate, name=desk.name, version=entry.record.version)
        state = desk.words.known(gate.record.state) if gate else "–"
        rows.append(
            (model_version(desk.name, entry.record.version), desk.words.day(entry.at), _cell(desk, found), state)
        )
    facts.append(
        Fact(
            desk.counted(
                "One version was evaluated on its own test split.",
                "{n} versions were evaluated, each on its own test split.",
                len(rows),
            ),
            f"/models/{desk.name}",
        )
    )
    columns = (say("version"), say("trained on"), metric, say("gate"))
    table = Table(columns, tuple(rows[:SHOWN]), (2,))
    return Answer(tuple(facts), tuple(commands), who, table=table, series=_series(desk, metric, weeks))


def _series(desk: Desk, metric: str, weeks: Sequence[Measurement]) -> Series | None:
    points = tuple(Point(each.end, each.value, each.low, each.high) for each in weeks if each.value is not None)
    title = desk.say("{metric} in production, week by week, with its 95 % interval", metric=metric)
    return Series(metric, title, points) if points else None
