"""How far a plan has come: each milestone's evidence sought in the ledger and the project, never claimed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from rondo.handbook.proofs import Proof
from rondo.handbook.reported import reported
from rondo.language.words import Language
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.runbooks import in_state
from rondo.project.documents import Document
from rondo.project.milestones import Evidence, EvidenceKind, Milestone
from rondo.records.deployment import Deployment, PredictionsLanded
from rondo.records.development import Evaluation, Gate
from rondo.records.monitoring import Incident
from rondo.records.running import Replayed
from rondo.records.tables import OutcomesLanded, TableVersion
from rondo.records.team import Decision
from rondo.records.versions import model_version, table_version
from rondo.store.ledger import Entry, R
from rondo.store.until import LedgerUntil

DECISIONS = 500
"""The newest so many are read through for the words of one."""
State = Literal["done", "open", "overdue"]
_played: dict[tuple[Path, str], Entry[Replayed]] = {}


@dataclass(frozen=True)
class EvidenceFacts:
    """A piece of evidence: whether it holds, and what shows it, or the step that would bring it."""

    text: str
    holds: bool
    proof: Proof
    command: str | None = None


@dataclass(frozen=True)
class MilestoneFacts:
    """A step of a plan. `by` is the day on which it should be done."""

    what: str
    state: State
    evidence: tuple[EvidenceFacts, ...]
    who: str | None = None
    by: date | None = None


@dataclass(frozen=True)
class PlanFacts:
    """A plan: how many of its milestones are done, and how many should have been and are not."""

    name: str
    title: str
    owner: str | None
    milestones: tuple[MilestoneFacts, ...]
    done: int
    overdue: int


def plan_facts(work: Workplace, document: Document, documents: Sequence[Document], words: Language) -> PlanFacts:
    """The plan in `document`, as of the workplace's moment."""
    today = work.now().astimezone(ZoneInfo(work.project.settings.timezone)).date()
    seeking = _Seeking(work, documents, words)
    steps = tuple(_milestone(each, seeking, today) for each in document.milestones)
    states = [each.state for each in steps]
    done, overdue = states.count("done"), states.count("overdue")
    return PlanFacts(document.name, document.title, document.owner, steps, done, overdue)


def _milestone(milestone: Milestone, seeking: _Seeking, today: date) -> MilestoneFacts:
    evidence = tuple(seeking.sought(each) for each in milestone.evidence)
    done = all(each.holds for each in evidence)
    late = milestone.by is not None and milestone.by < today
    return MilestoneFacts(
        milestone.what, "done" if done else "overdue" if late else "open", evidence, milestone.who, milestone.by
    )


@dataclass(frozen=True)
class _Seeking:
    """Evidence of each kind: found with a proof, or None."""

    work: Workplace
    documents: Sequence[Document]
    words: Language

    def sought(self, evidence: Evidence) -> EvidenceFacts:
        found = SEEKERS[evidence.kind](self, evidence)
        if found is not None:
            return EvidenceFacts(evidence.text, True, found)
        missing, command = self._missing(evidence)
        whole = in_state(command, self.work.store.state) if command else None
        return EvidenceFacts(evidence.text, False, Proof(missing), whole)

    def _missing(self, evidence: Evidence) -> tuple[str, str | None]:
        say, name = self.words.plain, evidence.name or ""
        told: Mapping[EvidenceKind, tuple[str, str | None]] = {
            "table built": (say("{name} has not been built.", name=name), f"rondo run {name}"),
            "gate passed": (say("No version of {name} has passed its gate.", name=name), f"rondo gate {name}"),
            "version in production": (
                say("No version of {name} has been in production.", name=name), f"rondo gate {name}",
            ),
            "prediction served": (say("{name} has answered nothing.", name=name), "rondo up"),
            "outcome known": (say("No outcome of {name} is known.", name=name), f"rondo monitor {name}"),
            "evaluated": (
                say("No version of {name} was evaluated on {testset}.", name=name, testset=evidence.testset or ""),
                f"rondo evaluate {name} --on {evidence.testset}",
            ),
            "replay done": (say("The replay {name} has not been played to its end.", name=name), None),
            "report runs": (say("The report {name} cannot be read.", name=name), f"rondo report {name} -o {name}.html"),
            "document accepted": (say("docs/{name}.md is not accepted, or not whole.", name=name), "rondo doctor"),
            "decision made": (say("No decision says “{name}”.", name=name), f"rondo document decision {_file(name)}"),
            "incident closed": (say("No incident was closed with what was learned."), "rondo incident"),
        }  # fmt: skip
        return told[evidence.kind]

    def table(self, evidence: Evidence) -> Proof | None:
        entry = self._first(TableVersion, evidence.name)
        if entry is None:
            return None
        record = entry.record
        said = self.words.counted(
            "{version}: {n} row", "{version}: {n} rows", record.rows, version=table_version(record.name, record.version)
        )
        return Proof(said, entry.at, f"/tables/{record.name}")

    def gate(self, evidence: Evidence) -> Proof | None:
        ledger = self.work.store.ledger
        passed = self._first(Gate, evidence.name, state="passed")
        newest = ledger.latest(Gate, name=evidence.name)
        entry = passed or (newest if newest is not None and is_passed(newest.record) else None)
        if entry is None:
            return None
        whole = model_version(entry.record.name, entry.record.version)
        said = self.words.plain("{version} passed", version=whole)
        return Proof(said, entry.at, f"/models/{entry.record.name}/{entry.record.version}")

    def production(self, evidence: Evidence) -> Proof | None:
        entry = self._first(Deployment, evidence.name, role="production")
        if entry is None:
            return None
        whole = model_version(entry.record.name, entry.record.version)
        said = self.words.plain("{version} put to work", version=whole)
        return Proof(said, entry.at, f"/models/{entry.record.name}/{entry.record.version}")

    def prediction(self, evidence: Evidence) -> Proof | None:
        assert evidence.name is not None
        entry = self._first(PredictionsLanded, evidence.name)
        if entry is not None:
            return Proof(self.words.plain("the first answers were given"), entry.at, f"/live/{evidence.name}")
        live = self.work.catalog.live(evidence.name)
        if live is None or not live.num_rows:
            return None
        said = self.words.counted("{n} answer in the log", "{n} answers in the log", live.num_rows)
        return Proof(said, None, f"/live/{evidence.name}")

    def outcome(self, evidence: Evidence) -> Proof | None:
        entry = self._first(OutcomesLanded, evidence.name)
        if entry is None or not entry.record.rows:
            return None
        return Proof(self.words.plain("the first outcomes landed"), entry.at, f"/live/{evidence.name}")

    def evaluation(self, evidence: Evidence) -> Proof | None:
        entry = self._first(Evaluation, evidence.name, testset=evidence.testset)
        if entry is None:
            return None
        record = entry.record
        said = self.words.counted(
            "{version} on {testset}, {n} row", "{version} on {testset}, {n} rows", record.rows,
            version=model_version(record.name, record.version), testset=record.testset,
        )  # fmt: skip
        return Proof(said, entry.at, f"/models/{record.name}/{record.version}")

    def replay(self, evidence: Evidence) -> Proof | None:
        entry = self._first(Replayed, evidence.name) or self._elsewhere(evidence.name or "")
        if entry is None:
            return None
        said = self.words.plain(
            "{start} to {end}", start=self.words.day(entry.record.start), end=self.words.day(entry.record.end)
        )
        return Proof(said, entry.at if entry.record.name == self.work.store.state else entry.written)

    def _elsewhere(self, name: str) -> Entry[Replayed] | None:
        """A replay leaves its record in a state of its own, for good: what was found there once is not sought again."""
        root = self.work.project.root
        past = isinstance(self.work.store.ledger, LedgerUntil)  # of which other states know nothing
        if past or not (root / ".rondo" / "states" / name).is_dir():
            return None
        if (root, name) not in _played:
            clock = self.work.store.clock
            other = open_workplace(root, state=name, readonly=True, clock=clock, project=self.work.project)
            found = other.store.ledger.latest(Replayed, name=name)
            if found is None:
                return None
            _played[root, name] = found
        return _played[root, name]

    def report(self, evidence: Evidence) -> Proof | None:
        name = evidence.name or ""
        known = {each.name: each for each in reported(self.work.project.root, self.words.code)}
        if name not in known or known[name].wrong is not None:
            return None
        return Proof(known[name].file, None, f"/reports/{name}")

    def document(self, evidence: Evidence) -> Proof | None:
        found = next((each for each in self.documents if each.name == evidence.name), None)
        if found is None or found.state != "accepted" or found.problems or found.unwritten:
            return None
        return Proof(found.file, found.changed, f"/docs/{found.name}")

    def decision(self, evidence: Evidence) -> Proof | None:
        asked = (evidence.name or "").casefold()
        entries = self.work.store.ledger.entries(Decision, limit=DECISIONS, newest_first=True)
        for entry in reversed(entries):
            if asked in f"{entry.record.what} {entry.record.why or ''}".casefold():
                return Proof(f"{entry.record.what} ({entry.record.who})", entry.at)
        for each in self.documents:
            if each.kind == "decision" and each.state == "accepted" and asked in f"{each.title} {each.body}".casefold():
                return Proof(each.file, each.changed, f"/docs/{each.name}")
        return None

    def incident(self, evidence: Evidence) -> Proof | None:
        entry = self._first(Incident, evidence.name, state="closed")
        if entry is None:
            return None
        return Proof(entry.record.learned or entry.record.summary, entry.at, f"/incidents/{entry.record.id}")

    def _first(self, kind: type[R], name: str | None, **where: object) -> Entry[R] | None:
        found = self.work.store.ledger.entries(kind, name=name, where=where, limit=1)
        return found[0] if found else None


SEEKERS: Mapping[EvidenceKind, Callable[[_Seeking, Evidence], Proof | None]] = {
    "table built": _Seeking.table,
    "gate passed": _Seeking.gate,
    "version in production": _Seeking.production,
    "prediction served": _Seeking.prediction,
    "outcome known": _Seeking.outcome,
    "evaluated": _Seeking.evaluation,
    "replay done": _Seeking.replay,
    "report runs": _Seeking.report,
    "document accepted": _Seeking.document,
    "decision made": _Seeking.decision,
    "incident closed": _Seeking.incident,
}


def is_passed(gate: Gate) -> bool:
    """Whether a gate lets its version through: passed, or somebody answers for every undecided line."""
    return gate.state == "passed" or (
        gate.state == "undecided" and all(line.signed_by for line in gate.requirements if line.state == "undecided")
    )


def _file(text: str) -> str:
    """A file's name for a decision with these words."""
    return "-".join(part for part in "".join(c if c.isalnum() else " " for c in text.casefold()).split()) or "decision"
