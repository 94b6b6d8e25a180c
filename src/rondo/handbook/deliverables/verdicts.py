"""What a deliverable's test looks at, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Literal

from rondo.deploy.rollout import roles
from rondo.handbook.plans import PlanFacts, plan_facts
from rondo.handbook.proofs import Proof
from rondo.handbook.reported import Reported, reported
from rondo.language.words import Language
from rondo.loop.planning import newest
from rondo.loop.workplace import Workplace
from rondo.monitor.alerting import newest_alerts, standing
from rondo.monitor.incidents import newest_incidents
from rondo.project.documents import Document, Kind
from rondo.records.development import Version
from rondo.records.monitoring import Alert, Incident
from rondo.records.tables import CheckResult, TableVersion
from rondo.store.ledger import Entry
from rondo.team.people import Stage

State = Literal["good", "warn", "bad", "idle"]
"""It holds; it holds in part, or not for long; it does not hold; there is nothing yet that it could be asked of."""


@dataclass(frozen=True)
class Verdict:
    """What a test found. `what` says in a few words what is owed; `command` is the step where it does not hold."""

    what: str
    state: State
    proof: Proof
    command: str | None = None


@dataclass(frozen=True)
class Test:
    """A deliverable of a role at a stage of the loop."""

    __test__ = False

    id: str
    role: str
    stage: Stage
    look: Callable[[Looking], Verdict]


@dataclass(frozen=True)
class Looking:
    """The project and its ledger as the tests see them; what several of them ask is asked once."""

    work: Workplace
    documents: Sequence[Document]
    words: Language

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Sources and tables."""
        return (*self.work.project.sources, *self.work.project.tables)

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The models of the project."""
        return tuple(self.work.project.models)

    @cached_property
    def versions(self) -> dict[str, TableVersion]:
        """The newest version of each source and table that has one."""
        found = {name: newest(self.work.store.ledger, name) for name in self.names}
        return {name: version for name, version in found.items() if version is not None}

    @cached_property
    def checks(self) -> dict[str, Entry[CheckResult]]:
        """What the checks of each source and table said last."""
        found = {name: self.work.store.ledger.latest(CheckResult, name=name) for name in self.names}
        return {name: entry for name, entry in found.items() if entry is not None}

    @cached_property
    def trained(self) -> dict[str, Entry[Version]]:
        """The newest version of each model that has one."""
        found = {name: self.work.store.ledger.latest(Version, name=name) for name in self.models}
        return {name: entry for name, entry in found.items() if entry is not None}

    @cached_property
    def production(self) -> dict[str, int]:
        """The number of the version in production, by model."""
        at_work = {name: roles(self.work.store.ledger, name) for name in self.models}
        return {name: held["production"].record.version for name, held in at_work.items() if "production" in held}

    @cached_property
    def alerts(self) -> list[Alert]:
        """Alerts that are not over."""
        return standing(newest_alerts(self.work.store.ledger))

    @cached_property
    def incidents(self) -> list[Incident]:
        """The newest record of each incident."""
        return newest_incidents(self.work.store.ledger)

    @cached_property
    def plans(self) -> tuple[PlanFacts, ...]:
        """Every plan that is not retired, with what is done of it."""
        plans = [each for each in self.documents if each.kind == "plan" and each.state != "retired"]
        return tuple(plan_facts(self.work, each, self.documents, self.words) for each in plans)

    @cached_property
    def reports(self) -> tuple[Reported, ...]:
        """The reports as their files say."""
        return reported(self.work.project.root, self.words.code)

    @property
    def report_owners(self) -> list[tuple[str, str, str | None]]:
        """Reports as (name, file, owner)."""
        return [(each.name, each.file, each.owner) for each in self.reports]

    def document(self, kind: Kind, model: str | None = None) -> Document | None:
        """The document of a kind that is not retired: that of the model, if one is named, or of every model."""
        found = [each for each in self.documents if each.kind == kind and each.state != "retired"]
        return next((each for each in found if model is None or each.model in (None, model)), None)

    def now(self) -> datetime:
        """The moment."""
        return self.work.now()

    def today(self) -> date:
        """The day, in the project's timezone."""
        return self.now().astimezone(self.words.zone).date()


def address_of_version(model: str, version: int) -> str:
    """The page of a version."""
    return f"/models/{model}/{version}"


def written(looking: Looking, what: str, kind: Kind, model: str | None = None) -> Verdict:
    """A document that is owed: there, whole, accepted."""
    words, found = looking.words, looking.document(kind, model)
    if found is None:
        name = kind if model is None or len(looking.models) == 1 else f"{kind}-{model}"
        return Verdict(
            what, "bad", Proof(words.plain("there is none in docs/")), f"rondo document {kind} {name}"
        )  # fmt: skip
    address = f"/docs/{found.name}"
    if found.problems:
        said = words.counted(
            "{file}: {n} thing is wrong: {first}", "{file}: {n} things are wrong, first: {first}", len(found.problems),
            file=found.file, first=found.problems[0].what,
        )  # fmt: skip
        return Verdict(what, "warn", Proof(said, found.changed, address), "rondo doctor")
    if found.unwritten:
        missing = ", ".join(each.title for each in found.unwritten)
        said = words.plain("{file}: not written yet: {missing}", file=found.file, missing=missing)
        return Verdict(what, "warn", Proof(said, found.changed, address))
    if found.state != "accepted":
        said = words.plain("{file} is in state {state}", file=found.file, state=words.known(found.state or "draft"))
        return Verdict(what, "warn", Proof(said, found.changed, address))
    return Verdict(what, "good", Proof(words.plain("{file}, accepted", file=found.file), found.changed, address))
