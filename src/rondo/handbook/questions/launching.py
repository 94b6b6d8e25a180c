"""Questions 8, 24, 25 and 32: how a version comes into production, and how it runs there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rondo.handbook.questions.answers import Answer, Arrow, Box, Command, Diagram, Fact, Table
from rondo.handbook.questions.desk import Desk
from rondo.project.reading import TestSet
from rondo.records.deployment import Deployment, PredictionsLanded, Rehearsal
from rondo.records.development import Gate, RequirementResult, State
from rondo.records.monitoring import Measurement
from rondo.records.tables import Publication
from rondo.records.versions import model_version
from rondo.store.ledger import Entry

LAUNCHES = 5


def launched(desk: Desk) -> Answer:
    """8: the gates, who may promote, the command, the last launches."""
    say = desk.say
    prd = desk.prd
    who = desk.ask((prd.owner if prd else None, "product_manager"), (None, "ml_engineer"))
    if desk.model is None or desk.newest is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    version = model_version(desk.name, desk.newest.record.version)
    facts = [Fact(_gated(desk), f"/docs/{prd.file[5:-3]}" if prd else None, prd.file if prd else None)]
    policy = {
        "first": say("By itself Rondo promotes the first version that passes, while nothing is in production."),
        "due": say("By itself Rondo also promotes a version that was trained because it was due, when it passes."),
        "never": say("Rondo promotes nothing by itself."),
    }
    facts.append(Fact(policy[desk.model.promote], None, desk.where(desk.name)))
    facts.append(Fact(say("Whoever may write to this project may promote; who did, and why, is recorded.")))
    gate = desk.ledger.latest(Gate, name=desk.name, version=desk.newest.record.version)
    rows = [_launch(desk, entry) for entry in desk.launches[:LAUNCHES]]
    if not rows:
        facts.append(Fact(say("Nothing has been launched yet.")))
    commands = (
        desk.command(f"rondo gate {desk.name}", "records", 5.0),
        _promotion(desk, version, gate.record.state if gate else None),
    )
    columns = (say("launched"), say("version"), say("who"), say("because"))
    return Answer(tuple(facts), commands, who, table=Table(columns, tuple(rows)) if rows else None)


def _gated(desk: Desk) -> str:
    if desk.prd is None:
        return desk.say("{model} has no requirements, so no gate holds it.", model=desk.name)
    undecided = {
        "block": desk.say("an undecided one holds it back"),
        "canary": desk.say("an undecided one lets it be a canary alone, until somebody signs"),
        "sign": desk.say("an undecided one has to be signed by somebody"),
    }
    return desk.say(
        "A version needs all {n} requirements passed; {undecided}, and a failed one cannot be passed over by anyone.",
        n=len(desk.prd.requirements),
        undecided=undecided[desk.prd.undecided],
    )


def _launch(desk: Desk, entry: Entry[Deployment]) -> tuple[str, ...]:
    version = model_version(desk.name, entry.record.version)
    return desk.words.moment(entry.at), version, entry.by, entry.record.because or "–"


def to_production(desk: Desk) -> Answer:
    """24: the newest version's gates, what is still missing, the next command."""
    say = desk.say
    prd = desk.prd
    who = desk.ask((prd.owner if prd else None, "product_manager"), (None, "ml_engineer"))
    if desk.newest is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    number = desk.newest.record.version
    version = model_version(desk.name, number)
    held = [role for role, entry in desk.at_work.items() if entry.record.version == number]
    page = f"/models/{desk.name}/{number}"
    facts = [
        Fact(
            say(
                "{version} is the newest version, and at work as {roles}.",
                version=version,
                roles=", ".join(map(desk.words.known, held)),
            ),
            page,
        )
        if held
        else Fact(say("{version} is the newest version, and not at work.", version=version), page)
    ]
    entry = desk.ledger.latest(Gate, name=desk.name, version=number)
    if entry is None and prd is not None:
        command = desk.command(f"rondo gate {version}", "records", 5.0)
        facts.append(Fact(say("It was not held against its requirements yet.")))
        return Answer(tuple(facts), (command,), who)
    lines = list(entry.record.requirements) if entry else []
    passed = [line for line in lines if line.state in ("passed", "not_applicable") or line.signed_by]
    if prd is not None:
        facts.append(Fact(say("It passed {passed} of {n} requirements.", passed=len(passed), n=len(lines)), page))
    facts += [_lacking(desk, line) for line in lines if line not in passed]
    return Answer(tuple(facts), _next(desk, version, lines, held), who)


def _lacking(desk: Desk, line: RequirementResult) -> Fact:
    interval = desk.words.interval(line.low, line.high)
    held = {"text": line.text, "value": desk.words.number(line.value), "interval": interval}
    said = {
        "undecided": desk.say("Undecided: {text} ({value}, {interval}); somebody may sign for it.", **held),
        "failed": desk.say("Failed: {text} ({value}, {interval}); this version cannot be promoted.", **held),
        "unexamined": desk.say("Nothing was examined for: {text}", text=line.text),
    }
    return Fact(said.get(line.state, line.text))


def _next(desk: Desk, version: str, lines: Sequence[RequirementResult], held: Sequence[str]) -> tuple[Command, ...]:
    """What brings it nearer to production."""
    if any(line.state == "failed" for line in lines):
        return desk.command(f"rondo gate {version}", "records", 5.0), desk.command(
            f"rondo run {desk.name}", "changes", desk.run_s
        )
    unsigned = [line for line in lines if line.state == "undecided" and not line.signed_by]
    signing = [
        desk.command(f'rondo sign {version} "{line.text}" --because "reviewed with its owner"', "changes", 1.0)
        for line in unsigned
    ]
    if "production" in held:
        return (desk.command(f"rondo monitor {desk.name}", "records", 5.0),)
    if unsigned:
        allowed = desk.prd is not None and desk.prd.undecided == "canary"
        return (*signing, *([_promotion(desk, version, "undecided")] if allowed else []))
    return (_promotion(desk, version, "passed"),)


def _promotion(desk: Desk, version: str, state: State | None) -> Command:
    """The promotion that a gate allows: to production, or while it is undecided to a canary's share."""
    if state == "undecided" and desk.prd is not None and desk.prd.undecided == "canary":
        return desk.command(
            f'rondo promote {version} --to canary=10% --because "undecided at its gate"', "changes", 2.0
        )
    return desk.command(f'rondo promote {version} --to production --because "passed its gate"', "changes", 2.0)


def _skewed(desk: Desk, share: float, feature: str, at: datetime) -> str:
    """How much of what was served on a day differed from the lake."""
    if share == 0:
        return desk.say(
            "All values of {feature} that were served are as the lake has them ({day}).",
            feature=feature, day=desk.words.day(at),
        )  # fmt: skip
    return desk.say(
        "What was served differed from what the lake says for {share} of the values of {feature} ({day}).",
        share=desk.words.share(share), feature=feature, day=desk.words.day(at),
    )  # fmt: skip


def _rehearsed(desk: Desk, number: int) -> list[Fact]:
    """What the rehearsal of a version found: scores and keys that came out otherwise, and how fast it answered."""
    entry, say = desk.ledger.latest(Rehearsal, name=desk.name, version=number), desk.say
    if entry is None:
        return []
    found = entry.record
    told = say(
        "Before its gate {rows} rows went through the serving path, {differ} scored otherwise; "
        "{keys} keys were read online, {read} otherwise.",
        rows=f"{found.offline_rows:,}",
        differ=f"{found.offline_differ:,}",
        keys=f"{found.online_keys:,}",
        read=f"{found.online_differ:,}",
    )
    facts = [Fact(told, f"/models/{desk.name}/{number}")]
    if found.latency_p99_ms is not None:
        fast = say(
            "Half of {n} requests were answered within {p50} ms, 99 in 100 within {p99} ms.",
            n=f"{found.requests:,}",
            p50=desk.words.number(found.latency_p50_ms),
            p99=desk.words.number(found.latency_p99_ms),
        )
        facts.append(Fact(fast))
    return facts


def _canary(desk: Desk) -> Fact:
    canary = desk.at_work.get("canary")
    if canary is None:
        return Fact(desk.say("There is no canary now."))
    told = desk.say(
        "{version} is a canary with {share} of the traffic.",
        version=model_version(desk.name, canary.record.version),
        share=desk.words.share(canary.record.share),
    )
    return Fact(told, f"/live/{desk.name}#canary")


def running(desk: Desk) -> Answer:
    """25: parity of offline and live scores, golden examples replayed live, canary test."""
    say = desk.say
    who = desk.ask((None, "ml_engineer"), (None, "devops_engineer"))
    if desk.shown is None or desk.version is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    number = desk.shown.record.version
    production = desk.at_work.get("production")
    facts = []
    if production is not None:
        facts.append(
            Fact(
                say(
                    "{version} is in production since {at}.", version=desk.version, at=desk.words.moment(production.at)
                ),
                f"/live/{desk.name}",
            )
        )
    else:
        facts.append(Fact(say("Nothing is in production; this is told of {version}.", version=desk.version)))
    facts += _rehearsed(desk, number)
    facts.append(_golden(desk, number))
    skew = desk.ledger.latest(Measurement, name=desk.name, where={"metric": "skew_share"})
    if skew is not None and skew.record.value is not None:
        facts.append(
            Fact(
                _skewed(desk, skew.record.value, skew.record.feature or "–", skew.record.end - timedelta(seconds=1)),
                f"/live/{desk.name}",
            )
        )
    facts.append(_canary(desk))
    commands = [
        desk.command(f"rondo monitor {desk.name}", "records", 5.0),
        desk.command(f"rondo reproduce {desk.version}", about_s=desk.shown.record.seconds or None),
    ]
    commands += [
        desk.command(f"rondo evaluate {desk.version} --on {each.name}", "records", 5.0) for each in _goldens(desk)
    ]
    return Answer(tuple(facts), tuple(commands), who)


def _goldens(desk: Desk) -> list[TestSet]:
    return [each for each in desk.work.project.testsets.values() if each.kind == "jsonl"]


def _golden(desk: Desk, number: int) -> Fact:
    for testset in _goldens(desk):
        found = desk.evaluation(number, testset.name)
        if found is not None and found.golden is not None:
            told = desk.say(
                "Golden examples: {differ} of {rows} score otherwise than expected.",
                differ=found.golden.differ,
                rows=found.golden.rows,
            )
            return Fact(told, None, testset.file)
    return Fact(
        desk.say(
            "The golden rows packed with it are answered again whenever it is loaded: one that scores "
            "otherwise keeps it from serving."
        )
    )


def served(desk: Desk) -> Answer:
    """32: the diagram, drawn from the live deployment."""
    say, settings = desk.say, desk.work.project.settings
    who = desk.ask((None, "ml_developer"), (None, "devops_engineer"))
    if desk.signature is None or desk.version is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    roles = [
        say(
            "{role}: {version} ({share})",
            role=desk.words.known(role),
            version=model_version(desk.name, entry.record.version),
            share=desk.words.share(entry.record.share),
        )
        for role, entry in desk.at_work.items()
    ]
    facts = [
        Fact(
            say(
                "A request goes to POST /v1/models/{model}/predict; the answer tells the version that gave it.",
                model=desk.name,
            ),
            f"/live/{desk.name}",
        ),
        Fact(say("At work: {roles}.", roles="; ".join(roles)) if roles else say("Nothing is at work.")),
        Fact(
            say(
                "{features} features are looked up in the online store ({kind}) by {keys}, as known at "
                "the moment asked about.",
                features=sum(len(each.columns) for each in desk.signature.lookups),
                kind=_kind(settings.online),
                keys=", ".join(dict.fromkeys(on for each in desk.signature.lookups for _, on in each.on)),
            )
            if desk.signature.lookups
            else say("Nothing is looked up: a request brings all that the model is fed.")
        ),
        Fact(
            say("Each answer is in the log before it leaves; it survives the death of the machine.")
            if settings.serving.durability == "disk"
            else say("Each answer is in the log before it leaves; it survives the death of any process.")
        ),
    ]
    landed = desk.ledger.latest(PredictionsLanded, name=desk.name)
    if landed is not None:
        facts.append(
            Fact(say("Answers reached the lake last on {at}.", at=desk.words.moment(landed.at)), f"/live/{desk.name}")
        )
    commands = (
        desk.command(f"rondo lineage {desk.name}", about_s=1.0),
        desk.command(
            f'rondo sql "select d.at, role, version, share, because from ledger.deployments d '
            f"where name = '{desk.name}' order by seq\"",
            about_s=1.0,
        ),
    )
    answer = Answer(tuple(facts), commands, who, diagram=serving_diagram(desk))
    if "production" in desk.at_work:
        return answer
    what = say("Nothing is in production.")
    return Answer(
        answer.facts,
        commands,
        who,
        what,
        desk.command(f"rondo promote {desk.version} --to production").text,
        diagram=answer.diagram,
    )


def serving_diagram(desk: Desk) -> Diagram:
    """Request to answer: the roles with their shares, the online store with what feeds it, the log."""
    say, signature = desk.say, desk.signature
    assert signature is not None
    boxes = [Box("request", say("request"), "service", 1, (f"/v1/models/{desk.name}/predict",))]
    arrows = []
    if signature.lookups:
        boxes.append(Box("online", say("online store"), "service", 1, (_kind(desk.work.project.settings.online),)))
        for lookup in signature.lookups:
            held = desk.ledger.latest(Publication, name=lookup.table, where={"definition": lookup.definition})
            lines = (desk.counted("{n} key", "{n} keys", held.record.keys),) if held else ()
            boxes.append(Box(lookup.prefix, lookup.prefix, "table", 0, lines, f"/tables/{lookup.table}"))
            arrows.append(Arrow(lookup.prefix, "online"))
    shown = list(desk.at_work.items())
    for role, entry in shown:
        name = model_version(desk.name, entry.record.version)
        share = desk.words.share(entry.record.share) if role != "shadow" else say("answers nobody")
        told = (desk.words.known(role), share)
        boxes.append(Box(role, name, "model", 2, told, f"/models/{desk.name}/{entry.record.version}"))
        arrows.append(Arrow("request", role, None, role == "shadow"))
        arrows += [Arrow("online", role, None, role == "shadow")] if signature.lookups else []
        arrows += [Arrow(role, "log", None, role == "shadow")]
        arrows += [Arrow(role, "answer")] if role != "shadow" else []
    boxes.append(Box("answer", say("answer"), "service", 3, (signature.task,)))
    boxes.append(
        Box(
            "log",
            say("log"),
            "service",
            3,
            (desk.work.project.settings.serving.durability, f"predictions.{desk.name}"),
            f"/live/{desk.name}",
        )
    )
    return Diagram("serving", say("How a request is answered now"), tuple(boxes), tuple(arrows))


def _kind(url: str) -> str:
    return url.partition(":")[0]
