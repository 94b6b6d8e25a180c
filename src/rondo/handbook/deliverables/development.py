"""What development owes: fit examples, a design, judged versions, comparisons, requirements, signatures."""

from __future__ import annotations

import re

from rondo.handbook.deliverables.verdicts import Looking, Test, Verdict, address_of_version, written
from rondo.handbook.plans import is_passed
from rondo.handbook.proofs import Proof
from rondo.loop.judging import testsets_of
from rondo.project.documents import Document
from rondo.project.models import Model
from rondo.records.deployment import Rehearsal
from rondo.records.development import Comparison, Evaluation, Explanation, Fitness, Gate
from rondo.records.versions import model_version
from rondo.store.ledger import Entry


def _untrained(looking: Looking, what: str) -> Verdict | None:
    """The verdict where there is no model, or no version of one."""
    if not looking.models:
        return Verdict(what, "idle", Proof(looking.words.plain("no model is declared"), None, "/models"))
    absent = [name for name in looking.models if name not in looking.trained]
    if absent:
        said = looking.words.plain("not trained yet: {names}", names=", ".join(absent))
        return Verdict(what, "idle", Proof(said, None, "/models"), f"rondo run {absent[0]}")
    return None


def fit(looking: Looking) -> Verdict:
    """The examples are fit for learning."""
    words, ledger = looking.words, looking.work.store.ledger
    what = words.plain("examples are fit for learning")
    found = {name: ledger.latest(Fitness, name=name) for name in looking.models}
    entries = [entry for entry in found.values() if entry is not None]
    if not entries:
        said = words.plain("not examined yet")
        return Verdict(what, "idle", Proof(said, None, "/models"), "rondo run")
    worst = max(entries, key=lambda entry: ("fit", "doubtful", "unfit").index(entry.record.verdict))
    verdict, model = worst.record.verdict, worst.record.name
    examples = looking.work.project.models[model].examples
    stops = [finding.what for finding in worst.record.findings if finding.weight != "note"]
    said = words.plain("{examples}: {verdict}", examples=examples, verdict=words.known(verdict))
    if stops:
        said += f"; {stops[0]}"
    state = {"fit": "good", "doubtful": "warn", "unfit": "bad"}[verdict]
    return Verdict(what, state, Proof(said, worst.at, f"/tables/{examples}"), f"rondo profile {examples}")  # type: ignore[arg-type]


def design(looking: Looking) -> Verdict:
    """The design is written, and names every table that the model reads."""
    words = looking.words
    verdict = written(looking, words.plain("design"), "design")
    found = looking.document("design")
    if verdict.state != "good" or found is None:
        return verdict
    for model in looking.work.project.models.values():
        if found.model in (None, model.name) and (silent := unmentioned(found, model)):
            said = words.plain(
                "{file} does not name {names}, which {model} reads",
                file=found.file,
                names=", ".join(silent),
                model=model.name,
            )
            return Verdict(verdict.what, "warn", Proof(said, found.changed, f"/docs/{found.name}"))
    return verdict


def unmentioned(document: Document, model: Model) -> list[str]:
    """Tables of the model's features that a document never names."""
    tables = dict.fromkeys(feature.table for feature in model.features)
    return [name for name in tables if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", document.body)]


def evaluated(looking: Looking) -> Verdict:
    """The newest version was judged on the test split and on every test set of its PRD."""
    words, ledger, project = looking.words, looking.work.store.ledger, looking.work.project
    what = words.plain("the newest version is evaluated")
    if (early := _untrained(looking, what)) is not None:
        return early
    entries: list[Entry[Evaluation]] = []
    for name, version in looking.trained.items():
        number = version.record.version
        for testset in testsets_of(project.prds.get(name)):
            entry = ledger.latest(Evaluation, name=name, version=number, where={"testset": testset})
            if entry is None:
                said = words.plain("{version} was not evaluated on {testset}",
                                   version=model_version(name, number), testset=testset)  # fmt: skip
                command = f"rondo evaluate {model_version(name, number)}"
                command += f" --on {testset}" if testset != "test" else ""
                return Verdict(what, "warn", Proof(said, version.at, address_of_version(name, number)), command)
            entries.append(entry)
    last = entries[-1]
    whole = model_version(last.record.name, last.record.version)
    metric = project.models[last.record.name].metric
    figure = last.record.metrics.get(metric)
    shown = f"{metric} {words.number(figure.value)} [{words.interval(figure.low, figure.high)}]" if figure else metric
    said = words.counted("{version}: {shown} on {n} row", "{version}: {shown} on {n} rows", last.record.rows,
                         version=whole, shown=shown)  # fmt: skip
    return Verdict(what, "good", Proof(said, last.at, address_of_version(last.record.name, last.record.version)))


def explained(looking: Looking) -> Verdict:
    """What moves the newest version's scores is known."""
    words, ledger = looking.words, looking.work.store.ledger
    what = words.plain("what moves its scores is known")
    if (early := _untrained(looking, what)) is not None:
        return early
    for name, version in looking.trained.items():
        entry = ledger.latest(Explanation, name=name, version=version.record.version)
        if entry is None:
            said = words.plain("not explained: {version}", version=model_version(name, version.record.version))
            address = address_of_version(name, version.record.version)
            return Verdict(what, "warn", Proof(said, version.at, address), f"rondo run {name}")
    assert entry is not None
    first = max(entry.record.contributions, key=lambda each: abs(each.contribution), default=None)
    said = words.plain("most by {feature}", feature=first.feature if first is not None else "–")
    return Verdict(what, "good", Proof(said, entry.at, address_of_version(name, version.record.version)))


def model_card(looking: Looking) -> Verdict:
    """Each model in production has a card."""
    what = looking.words.plain("model card")
    verdicts = [written(looking, what, "model_card", name) for name in looking.models]
    if not verdicts:
        return Verdict(what, "idle", Proof(looking.words.plain("no model is declared"), None, "/models"))
    return max(verdicts, key=lambda verdict: ("good", "idle", "warn", "bad").index(verdict.state))


def compared(looking: Looking) -> Verdict:
    """The newest version was held against another, on the same rows."""
    words, ledger = looking.words, looking.work.store.ledger
    what = words.plain("the newest version is compared")
    if (early := _untrained(looking, what)) is not None:
        return early
    for name, version in looking.trained.items():
        whole = model_version(name, version.record.version)
        against = ledger.latest(Comparison, name=name, where={"a": whole})
        gate = ledger.latest(Gate, name=name, version=version.record.version)
        lines = [
            line
            for line in (gate.record.requirements if gate else [])
            if line.text.startswith(("better than", "not worse than")) and line.value is not None
        ]
        if against is not None:
            said = words.plain(
                "{a} and {b} on {testset}: {verdict}",
                a=against.record.a,
                b=against.record.b,
                testset=against.record.testset,
                verdict=words.known(against.record.verdict) if against.record.verdict == "undecided"
                else words.plain("{version} is better", version=getattr(against.record, against.record.verdict)),
            )  # fmt: skip
            return Verdict(what, "good", Proof(said, against.at, f"/compare?a={against.record.a}&b={against.record.b}"))
        if gate is not None and lines:
            said = words.plain("{version}, at its gate: {line}: {state}", version=whole, line=lines[0].text,
                               state=words.known(lines[0].state))  # fmt: skip
            return Verdict(what, "good", Proof(said, gate.at, address_of_version(name, version.record.version)))
    said = words.plain("{version} was compared with nothing", version=whole)
    return Verdict(what, "warn", Proof(said, version.at, "/compare"), f"rondo compare {whole} {name}@production")


def required(looking: Looking) -> Verdict:
    """Each model has requirements, all of which could be examined."""
    words, ledger, project = looking.words, looking.work.store.ledger, looking.work.project
    what = words.plain("requirements")
    if not looking.models:
        return Verdict(what, "idle", Proof(words.plain("no model is declared"), None, "/models"))
    absent = [name for name in looking.models if name not in project.prds]
    if absent:
        said = words.plain("no requirements for {names}", names=", ".join(absent))
        name = "prd" if len(looking.models) == 1 else f"prd-{absent[0]}"
        return Verdict(what, "bad", Proof(said), f"rondo document prd {name}")
    verdict = written(looking, what, "prd")
    if verdict.state != "good":
        return verdict
    lines = measured = 0
    for name, prd in project.prds.items():
        gate = ledger.latest(Gate, name=name)
        lines += len(prd.requirements)
        measured += sum(line.value is not None for line in gate.record.requirements) if gate else 0
        silent = [line.text for line in (gate.record.requirements if gate else []) if line.state == "unexamined"]
        if silent:
            said = words.plain("nothing could be examined for {line}", line=silent[0])
            return Verdict(what, "warn", Proof(said, gate.at if gate else None, verdict.proof.address))
    said = words.counted(
        "{n} line, {measured} measured at the last gate", "{n} lines, {measured} measured at the last gate", lines,
        measured=measured,
    )  # fmt: skip
    return Verdict(what, "good", Proof(said, gate.at if gate else None, verdict.proof.address))


def signed(looking: Looking) -> Verdict:
    """No gate of a newest version waits for a person."""
    words, ledger = looking.words, looking.work.store.ledger
    what = words.plain("gates are decided")
    gates = [entry for name in looking.models if (entry := ledger.latest(Gate, name=name)) is not None]
    if not gates:
        return Verdict(what, "idle", Proof(words.plain("no version was held against requirements"), None, "/models"))
    for entry in gates:
        gate, whole = entry.record, model_version(entry.record.name, entry.record.version)
        address = address_of_version(gate.name, gate.version)
        waiting = [line.text for line in gate.requirements if line.state == "undecided" and not line.signed_by]
        if gate.state == "undecided" and waiting:
            said = words.counted(
                "{version}: {n} line undecided, nobody signed: {first}",
                "{version}: {n} lines undecided, nobody signed; first: {first}",
                len(waiting), version=whole, first=waiting[0],
            )  # fmt: skip
            command = f'rondo sign {whole} "{waiting[0]}" --because "…"'
            return Verdict(what, "warn", Proof(said, entry.at, address), command)
    entry = gates[-1]
    whole = model_version(entry.record.name, entry.record.version)
    said = words.plain("{version}: {state}", version=whole, state=words.known(entry.record.state))
    return Verdict(what, "good", Proof(said, entry.at, address_of_version(entry.record.name, entry.record.version)))


def gated(looking: Looking) -> Verdict:
    """What is in production passed its gate."""
    words, ledger = looking.words, looking.work.store.ledger
    what = words.plain("what is in production passed its gate")
    if not looking.production:
        return Verdict(what, "idle", Proof(words.plain("nothing in production"), None, "/live"))
    said, at, address = "", None, None
    for name, number in looking.production.items():
        gate, whole = ledger.latest(Gate, name=name, version=number), model_version(name, number)
        address = address_of_version(name, number)
        if gate is None:
            said = words.plain("{version} was never held against requirements", version=whole)
            return Verdict(what, "warn", Proof(said, None, address), f"rondo gate {whole}")
        if not is_passed(gate.record):
            said = words.plain("{version}: {state}", version=whole, state=words.known(gate.record.state))
            return Verdict(what, "bad", Proof(said, gate.at, address), f"rondo gate {whole}")
        said, at = words.plain("{version} passed", version=whole), gate.at
    return Verdict(what, "good", Proof(said, at, address))


def equal(looking: Looking) -> Verdict:
    """What is served scores as it was judged."""
    words, ledger = looking.words, looking.work.store.ledger
    what = words.plain("served and judged scores are equal")
    if not looking.production:
        return Verdict(what, "idle", Proof(words.plain("nothing in production"), None, "/live"))
    rows, at, address = 0, None, None
    for name, number in looking.production.items():
        entry, whole = ledger.latest(Rehearsal, name=name, version=number), model_version(name, number)
        address = address_of_version(name, number)
        if entry is None:
            said = words.plain("{version} was not rehearsed", version=whole)
            return Verdict(what, "warn", Proof(said, None, address), f"rondo gate {whole}")
        if entry.record.unequal is not None:
            return Verdict(what, "bad", Proof(entry.record.unequal, entry.at, address), f"rondo gate {whole}")
        rows, at = rows + entry.record.offline_rows + entry.record.online_keys, entry.at
    said = words.counted("{n} rehearsed, no difference", "{n} rehearsed, no difference", rows)
    return Verdict(what, "good" if rows else "warn", Proof(said, at, address))


TESTS = (
    Test("requirements", "product_manager", "gate", required),
    Test("gates_decided", "product_manager", "gate", signed),
    Test("examples_fit", "data_scientist", "dataset", fit),
    Test("design", "data_scientist", "model", design),
    Test("evaluated", "data_scientist", "model", evaluated),
    Test("model_card", "data_scientist", "model", model_card),
    Test("compared", "applied_scientist", "model", compared),
    Test("explained", "applied_scientist", "model", explained),
    Test("production_gated", "ml_engineer", "gate", gated),
    Test("scores_equal", "ml_engineer", "deployment", equal),
)
