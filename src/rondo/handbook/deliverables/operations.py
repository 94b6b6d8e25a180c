"""What deployment and the people around the loop owe: answers, measurements, runbooks, owners, plans, lessons."""

from __future__ import annotations

from datetime import timedelta

from rondo.handbook.deliverables.verdicts import Looking, State, Test, Verdict, written
from rondo.handbook.proofs import Proof
from rondo.monitor.runbooks import Runbook, checked, section_for
from rondo.monitor.watched import RULES
from rondo.project.channels import CONSOLE
from rondo.records.deployment import ModelCaller, PredictionsLanded
from rondo.records.monitoring import Incident, Measurement
from rondo.records.running import Run
from rondo.team.people import gaps, owned_things

ANSWER_WITHIN = timedelta(hours=24)
LEARN_WITHIN = timedelta(days=7)
SERVICE = ("latency_p99_ms", "error_share", "requests")


def answered(looking: Looking) -> Verdict:
    """Each model in production is asked."""
    words, ledger = looking.words, looking.work.store.ledger
    what = words.plain("answers are asked for")
    if not looking.production:
        return Verdict(what, "idle", Proof(words.plain("nothing in production"), None, "/live"))
    rows = {name: looking.work.store.lake.rows(f"predictions/{name}") for name in looking.production
            if looking.work.store.lake.version(f"predictions/{name}") is not None}  # fmt: skip
    silent = [name for name in looking.production if not rows.get(name)]
    if silent:
        said = words.plain("nobody has asked {names}", names=", ".join(silent))
        return Verdict(what, "warn", Proof(said, None, f"/live/{silent[0]}"), "rondo up")
    name = next(iter(rows))
    last = ledger.latest(PredictionsLanded, name=name)
    said = words.counted("{n} answer in the lake", "{n} answers in the lake", sum(rows.values()))
    return Verdict(what, "good", Proof(said, last.at if last else None, f"/live/{name}"))


def called(looking: Looking) -> Verdict:
    """Whoever asks is known by a key of their own."""
    words, ledger = looking.words, looking.work.store.ledger
    what = words.plain("callers are known")
    callers = [entry for name in looking.models for entry in ledger.entries(ModelCaller, name=name, limit=50,
               newest_first=True)]  # fmt: skip
    if not callers:
        said = words.plain("nobody has called with a key")
        return Verdict(what, "idle", Proof(said, None, "/live"), "rondo key make board --scope predict")
    names = sorted({entry.record.caller for entry in callers})
    said = words.counted("{n} caller: {names}", "{n} callers: {names}", len(names), names=", ".join(names))
    return Verdict(what, "good", Proof(said, callers[0].at, "/live"))


def measured(looking: Looking) -> Verdict:
    """The service is measured, and within its limits."""
    words, ledger = looking.words, looking.work.store.ledger
    what = words.plain("the service is measured")
    if not looking.production:
        return Verdict(what, "idle", Proof(words.plain("nothing in production"), None, "/live"))
    for name in looking.production:
        found = [ledger.latest(Measurement, name=name, where={"metric": metric}) for metric in SERVICE]
        entries = [entry for entry in found if entry is not None]
        if not entries:
            said = words.plain("nothing measured of the service of {model}", model=name)
            return Verdict(what, "idle", Proof(said, None, f"/live/{name}"), f"rondo monitor {name}")
        out = [entry for entry in entries if entry.record.state == "out"]
        if out:
            record = out[0].record
            said = words.plain("{metric} is {value}, limit {limit}", metric=record.metric,
                               value=words.number(record.value), limit=words.number(record.limit))  # fmt: skip
            return Verdict(what, "bad", Proof(said, out[0].at, f"/live/{name}"), f"rondo monitor {name}")
        first = entries[0]
    record = first.record
    said = words.counted("{metric} {value} over {n} request", "{metric} {value} over {n} requests", record.rows,
                         metric=record.metric, value=words.number(record.value))  # fmt: skip
    return Verdict(what, "good", Proof(said, first.at, f"/live/{record.name}"))


def acknowledged(looking: Looking) -> Verdict:
    """No alert stands open for longer than a day without somebody looking after it."""
    words, now = looking.words, looking.now()
    what = words.plain("alerts are answered within a day")
    waiting = [alert for alert in looking.alerts if alert.state == "open"]
    late = [alert for alert in waiting if now - alert.since > ANSWER_WITHIN]
    if late:
        oldest = min(late, key=lambda alert: alert.since)
        said = words.counted(
            "{n} alert unanswered for more than a day: {what}",
            "{n} alerts unanswered for more than a day, the oldest: {what}", len(late), what=oldest.summary,
        )  # fmt: skip
        command = f"rondo alerts {oldest.id} --acknowledge"
        return Verdict(what, "bad", Proof(said, oldest.since, f"/alerts/{oldest.id}"), command)
    if waiting:
        said = words.counted("{n} alert open, since less than a day", "{n} alerts open, since less than a day",
                             len(waiting))  # fmt: skip
        return Verdict(what, "warn", Proof(said, waiting[0].since, f"/alerts/{waiting[0].id}"), "rondo alerts")
    if not looking.production:
        return Verdict(what, "idle", Proof(words.plain("nothing in production"), None, "/live"))
    return Verdict(what, "good", Proof(words.plain("none stands open"), None, "/incidents"))


def runbook(looking: Looking) -> Verdict:
    """The runbook is written, and has a section for every rule that can raise an alert."""
    words = looking.words
    verdict = written(looking, words.plain("runbook"), "runbook")
    if verdict.state != "good":
        return verdict
    books = {model: checked(looking.work.project.root, model) for model in looking.models}
    bare = sorted({rule for book in books.values() for rule in RULES if not covers(book, rule)}, key=RULES.index)
    if bare:
        said = words.counted("no section for {n} rule: {rules}", "no section for {n} rules: {rules}", len(bare),
                             rules=", ".join(bare))  # fmt: skip
        return Verdict(verdict.what, "warn", Proof(said, verdict.proof.at, verdict.proof.address))
    said = words.counted("a section for each of {n} rule", "a section for each of {n} rules", len(RULES))
    return Verdict(verdict.what, "good", Proof(said, verdict.proof.at, verdict.proof.address))


def covers(book: Runbook | None, rule: str) -> bool:
    """Whether some section opens for a rule, whatever it is about."""
    if book is None:
        return False
    named = any(
        declared == rule or declared.startswith(f"{rule} ") for each in book.sections for declared in each.rules
    )
    return named or section_for(book, rule, rule) is not None


def told(looking: Looking) -> Verdict:
    """Alerts reach somebody who is not looking at the console."""
    words, settings = looking.words, looking.work.project.settings
    what = words.plain("alerts reach somebody")
    others = [name for name in settings.channels if name != CONSOLE]
    if not others:
        said = words.plain("they go to the console alone")
        return Verdict(what, "warn", Proof(said, None, "/incidents"), "rondo doctor")
    return Verdict(what, "good", Proof(words.plain("they go to {names}", names=", ".join(others)), None, "/incidents"))


def owned(looking: Looking) -> Verdict:
    """Everything has an owner who is there."""
    words, project = looking.words, looking.work.project
    what = words.plain("everything has an owner")
    things = owned_things(project, looking.documents, looking.report_owners)
    missing = [
        gap
        for gap in gaps(project.settings.people, things, looking.today())
        if gap.what in ("no owner", "unknown owner")
    ]
    if missing:
        said = words.counted("{n} of {all} has none: {names}", "{n} of {all} have none: {names}", len(missing),
                             all=len(things), names=", ".join(gap.about for gap in missing[:5]))  # fmt: skip
        state: State = "warn" if len(missing) < len(things) else "bad"
        return Verdict(what, state, Proof(said, None, "/team#ownership"), "rondo team")
    if not things:
        return Verdict(what, "idle", Proof(words.plain("nothing is declared yet"), None, "/tables"))
    said = words.counted("{n} thing, all owned", "{n} things, all owned", len(things))
    return Verdict(what, "good", Proof(said, None, "/team#ownership"))


def planned(looking: Looking) -> Verdict:
    """The plans are on time."""
    words = looking.words
    verdict = written(looking, words.plain("plan"), "plan")
    plans = looking.plans
    if verdict.state == "bad" or not plans:
        return verdict
    overdue = [plan for plan in plans if plan.overdue]
    done, all_ = sum(plan.done for plan in plans), sum(len(plan.milestones) for plan in plans)
    said = words.counted("{done} of {n} milestone done", "{done} of {n} milestones done", all_, done=done)
    address = f"/docs/{(overdue or plans)[0].name}"
    if overdue:
        late = next(each for each in overdue[0].milestones if each.state == "overdue")
        said += "; " + words.plain("overdue: {what}", what=late.what)
        command = next((each.command for each in late.evidence if not each.holds), None)
        return Verdict(verdict.what, "bad", Proof(said, None, address), command)
    if verdict.state == "warn":
        return verdict
    return Verdict(verdict.what, "good", Proof(said, None, address))


def learned(looking: Looking) -> Verdict:
    """Incidents end with what was learned."""
    words, ledger = looking.words, looking.work.store.ledger
    what = words.plain("incidents end with a lesson")
    if not looking.incidents:
        return Verdict(what, "idle", Proof(words.plain("there was no incident"), None, "/incidents"))
    going = [incident for incident in looking.incidents if incident.state != "closed"]
    if not going:
        last = looking.incidents[-1]
        said = words.counted("{n} closed; learned last: {what}", "{n} closed; learned last: {what}",
                             len(looking.incidents), what=last.learned or "")  # fmt: skip
        return Verdict(what, "good", Proof(said, None, f"/incidents/{last.id}"))
    first = going[0]
    opened = ledger.entries(Incident, where={"id": first.id}, limit=1)[0].at
    said = words.counted("{n} incident open: {what}", "{n} incidents open, the oldest: {what}", len(going),
                         what=first.summary)  # fmt: skip
    state: State = "bad" if looking.now() - opened > LEARN_WITHIN else "warn"
    return Verdict(what, state, Proof(said, opened, f"/incidents/{first.id}"), f"rondo incident {first.id} --take")


def run(looking: Looking) -> Verdict:
    """The last run came to its end."""
    words, entry = looking.words, looking.work.store.ledger.latest(Run)
    what = words.plain("runs come to their end")
    if entry is None:
        return Verdict(what, "idle", Proof(words.plain("nothing was run yet"), None, "/"), "rondo run")
    bad = [step.name for step in entry.record.steps if step.state in ("failed", "blocked")]
    if entry.record.state == "done" and not bad:
        said = words.counted("{n} step, none failed", "{n} steps, none failed", len(entry.record.steps))
        return Verdict(what, "good", Proof(said, entry.at, "/"))
    said = words.plain("stopped at {names}", names=", ".join(bad) or entry.record.state)
    return Verdict(what, "bad", Proof(said, entry.at, "/"), "rondo run")


TESTS = (
    Test("answers_asked", "ml_developer", "deployment", answered),
    Test("callers_known", "ml_developer", "deployment", called),
    Test("service_measured", "devops_engineer", "monitoring", measured),
    Test("alerts_answered", "devops_engineer", "monitoring", acknowledged),
    Test("alerts_told", "devops_engineer", "monitoring", told),
    Test("runbook", "devops_engineer", "monitoring", runbook),
    Test("runs_end", "ml_engineer", "tables", run),
    Test("owners_complete", "engineering_manager", "gate", owned),
    Test("plan", "engineering_manager", "deployment", planned),
    Test("incidents_learned", "engineering_manager", "monitoring", learned),
)
