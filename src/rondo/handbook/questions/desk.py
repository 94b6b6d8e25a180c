"""Where answers are looked up: one project, one moment, one language; what several questions need is found once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar, cast

from rondo.deploy.logged import Logged
from rondo.deploy.rollout import roles
from rondo.develop.judging import main_metric, metrics_for
from rondo.features.signature import Signature
from rondo.graph.definitions import Node, model_definition
from rondo.graph.upstream import Reached, upstream_of_model
from rondo.handbook.predictions import RECENT, newest_logged, personal_columns
from rondo.handbook.questions.answers import Command, Effect, Who
from rondo.language.words import Language
from rondo.loop.planning import newest
from rondo.loop.versions import signature_of
from rondo.loop.workplace import Workplace
from rondo.monitor.runbooks import in_state
from rondo.project.documents import Document, read_documents
from rondo.project.models import Model
from rondo.project.people import ROLES
from rondo.project.reading import Prd
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.records.deployment import Deployment, Role
from rondo.records.development import Evaluation, Figure, Gate, Version
from rondo.records.running import Run
from rondo.records.tables import CheckResult, Dataset, TableVersion
from rondo.records.versions import model_version
from rondo.stats.metrics import Metric
from rondo.store.ledger import Entry, LedgerReader, Record
from rondo.team.people import answerable, is_away, stand_in

SHOWN = 12
"""So many versions, rows or names are shown; the command shows all."""
TEST = "test"
KEPT = 512
T = TypeVar("T")
_lock = threading.Lock()
_kept: OrderedDict[tuple[object, ...], object] = OrderedDict()


@dataclass(frozen=True)
class Desk:
    """A look at `work` for one reader. `asked` is the model that is asked about; without, the one in production."""

    work: Workplace
    words: Language
    asked: str | None = None

    def say(self, text: str, /, **values: object) -> str:
        """A sentence in the reader's language."""
        return self.words.plain(text, **values)

    def counted(self, one: str, many: str, n: int, /, **values: object) -> str:
        """A sentence about so many."""
        return self.words.counted(one, many, n, **values)

    @property
    def ledger(self) -> LedgerReader:
        """The records, as of the workplace's moment."""
        return self.work.store.ledger

    @cached_property
    def now(self) -> datetime:
        """The project's moment."""
        return self.work.now()

    @cached_property
    def model(self) -> Model | None:
        """The model asked about, the one in production, or the first; None in a project without."""
        models = self.work.project.models
        if self.asked is not None:
            return self.work.project.model(self.asked)
        at_work = [model for name, model in models.items() if "production" in roles(self.ledger, name)]
        return next(iter(at_work or models.values()), None)

    @cached_property
    def name(self) -> str:
        """The model's name; MODEL without one."""
        return self.model.name if self.model else "MODEL"

    @cached_property
    def examples(self) -> Table | None:
        """The model's examples."""
        return self.work.project.tables[self.model.examples] if self.model else None

    @cached_property
    def at_work(self) -> Mapping[Role, Entry[Deployment]]:
        """What the model's roles hold."""
        return roles(self.ledger, self.name) if self.model else {}

    @cached_property
    def newest(self) -> Entry[Version] | None:
        """The newest version."""
        return self.ledger.latest(Version, name=self.name) if self.model else None

    @cached_property
    def shown(self) -> Entry[Version] | None:
        """The version in production, or else the newest."""
        held = self.at_work.get("production")
        if held is None:
            return self.newest
        return self.ledger.latest(Version, name=self.name, version=held.record.version)

    @cached_property
    def version(self) -> str | None:
        """Its whole name: late@7."""
        return model_version(self.name, self.shown.record.version) if self.shown else None

    @cached_property
    def versions(self) -> Sequence[Entry[Version]]:
        """The newest few versions, newest first."""
        return self.ledger.entries(Version, name=self.name, limit=SHOWN, newest_first=True) if self.model else []

    @cached_property
    def launches(self) -> Sequence[Entry[Deployment]]:
        """The newest few that were put into production, newest first."""
        where = {"role": "production"}
        return self.ledger.entries(Deployment, name=self.name, where=where, limit=SHOWN, newest_first=True)

    @cached_property
    def dataset(self) -> Entry[Dataset] | None:
        """What the version shown was trained on."""
        if self.shown is None:
            return None
        return self.ledger.latest(Dataset, name=self.name, version=self.shown.record.dataset)

    @cached_property
    def signature(self) -> Signature | None:
        """What the version shown asks and is fed."""
        return signature_of(self.work, self.name, self.shown.record.version) if self.shown else None

    @cached_property
    def gate(self) -> Entry[Gate] | None:
        """How the version shown stood at its gate."""
        return self.ledger.latest(Gate, name=self.name, version=self.shown.record.version) if self.shown else None

    @cached_property
    def prd(self) -> Prd | None:
        """The model's requirements."""
        return self.work.project.prds.get(self.name)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """What the model is measured by."""
        return metrics_for(self.model, self.work.project.metrics) if self.model else ()

    @cached_property
    def metric(self) -> Metric | None:
        """What it is chosen by."""
        return main_metric(self.model, self.metrics) if self.model else None

    @cached_property
    def testset(self) -> str:
        """A test set to show with: the project's first of rows, else the test split."""
        return next((name for name, each in self.work.project.testsets.items() if each.kind != "jsonl"), TEST)

    @property
    def on(self) -> str:
        """` --on december`; empty for the test split."""
        return f" --on {self.testset}" if self.testset != TEST else ""

    @cached_property
    def tables(self) -> Mapping[str, TableVersion | None]:
        """The newest version of every source and table, in the order they are built."""
        return {name: newest(self.ledger, name) for name in self.work.nodes}

    @cached_property
    def checks(self) -> Mapping[str, Entry[CheckResult] | None]:
        """What the last checks of each said."""
        return {name: self.ledger.latest(CheckResult, name=name) for name in self.work.nodes}

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """Who reads each source and table: tables and models."""
        found: dict[str, list[str]] = {name: [] for name in self.work.nodes}
        for node in self.work.nodes.values():
            for read in node.reads:
                found[read].append(node.name)
        for model in self.work.project.models.values():
            for table in dict.fromkeys((model.examples, *(feature.table for feature in model.features))):
                found[table].append(model.name)
        return {name: tuple(readers) for name, readers in found.items()}

    def below(self, name: str) -> tuple[str, ...]:
        """Everything built from a source or table, however far, in the order it is built; models last."""
        reached, waiting = set[str](), [name]
        while waiting:
            for reader in self.readers.get(waiting.pop(), ()):
                if reader not in reached:
                    reached.add(reader)
                    waiting.append(reader)
        return tuple(each for each in (*self.work.nodes, *self.work.project.models) if each in reached)

    @cached_property
    def upstream(self) -> Mapping[Reached, None]:
        """Every column that the model depends on."""
        model = self.model
        if model is None:
            return {}
        built = tuple((name, version.version if version else 0) for name, version in self.tables.items())
        declared = (model_definition(model, self.work.project, self.work.nodes), model.examples)
        key = (self.work.store.ledger_url, "upstream", model.name, declared, built)
        return _remembered(key, lambda: upstream_of_model(self.work.catalog, model))

    @cached_property
    def documents(self) -> Sequence[Document]:
        """The documents of docs/."""
        return read_documents(self.work.project)

    @cached_property
    def last(self) -> Logged | None:
        """The newest answer of the model."""
        found = newest_logged(self.work, self.name, RECENT) if self.shown else []
        return found[0] if found else None

    @cached_property
    def personal(self) -> frozenset[str]:
        """Fields and features whose values are shown to nobody."""
        return personal_columns(self.work, self.name)

    @cached_property
    def run_s(self) -> float | None:
        """How long the last run took."""
        entry = self.ledger.latest(Run)
        return entry.record.seconds if entry else None

    def evaluation(self, version: int, testset: str) -> Evaluation | None:
        """How a version did on a test set, as last evaluated."""

        def read() -> Evaluation | None:
            where = {"testset": testset}
            entry = self.ledger.latest(Evaluation, name=self.name, version=version, where=where)
            return entry.record if entry else None

        return self.kept(("evaluation", version, testset), Evaluation, read)

    def kept(self, what: tuple[object, ...], kind: type[Record], read: Callable[[], T]) -> T:
        """What `read` makes of the model's records of a kind, remembered until there is another one."""
        if kind not in self._newest:
            entry = self.ledger.latest(kind, name=self.name)
            self._newest[kind] = entry.seq if entry else 0
        return _remembered((self.work.store.ledger_url, self.name, *what, self._newest[kind]), read)

    @cached_property
    def _newest(self) -> dict[type[Record], int]:
        """The place of the model's newest record of each kind that was asked for."""
        return {}

    def command(self, text: str, effect: Effect = "reads", about_s: float | None = None) -> Command:
        """A command for this state."""
        return Command(in_state(text, self.work.store.state), effect, about_s)

    def figure(self, figure: Figure | None) -> str:
        """0.744 (0.737–0.751)."""
        if figure is None or figure.value is None:
            return self.words.number(None)
        between = self.words.interval(figure.low, figure.high)
        return self.words.number(figure.value) + (f" ({between})" if between else "")

    @property
    def declarations(self) -> Sequence[Source | Table]:
        """Every source and table as declared."""
        return [node.declaration for node in self.work.nodes.values()]

    def where(self, name: str) -> str:
        """The file and line of a source, table or model."""
        project = self.work.project
        if name in project.models:
            return placed(project.models[name].file, project.models[name].line)
        node: Node = self.work.nodes[name]
        declared = node.declaration
        return placed(declared.file, declared.line if isinstance(declared, Source) else declared.sql_line)

    def ask(self, *owned: tuple[str | None, str]) -> tuple[Who, ...]:
        """Who answers for things, given as (owner as declared, role that answers where none is)."""
        people, today = self.work.project.settings.people, self.now.astimezone(self.words.zone).date()
        found: dict[str, Who] = {}
        for owner, role in owned:
            answer = answerable(people, owner, role)
            for person in answer.people:
                deputy = stand_in(people, person, today) if is_away(person, today) else None
                for each in (person, *([deputy] if deputy else [])):
                    told = owner if owner in each.roles else next(iter(each.roles), role)
                    found.setdefault(each.id, Who(self.role(told), each.called, each.contact, each.id))
            if not answer.people:
                found.setdefault(role, Who(self.role(owner or role)))
        return tuple(found.values())

    def owner(self, name: str) -> tuple[str | None, str]:
        """A source, table or model as `ask` takes it."""
        role = "data_scientist" if name in self.work.project.models or self._is_examples(name) else "data_engineer"
        return self.work.project.owner_of(name), role

    def owner_told(self, name: str) -> str:
        """The owner of a source, table or model as declared: a role in words, a person by the id."""
        owner = self.work.project.owner_of(name)
        return "–" if owner is None else self.role(owner) if owner in ROLES else owner

    def role(self, role: str) -> str:
        """A role in words."""
        return self.words.known(ROLES.get(role, role.replace("_", " ")))

    def _is_examples(self, name: str) -> bool:
        table = self.work.project.tables.get(name)
        return table is not None and table.is_examples

    def unmodelled(self) -> tuple[str, str]:
        """What is missing where there is no model, or none trained; and the step."""
        if self.model is None:
            return self.say(
                "The project declares no model: write one in models/."
            ), "rondo init example --template flights"
        return self.say("{model} has no version yet.", model=self.name), f"rondo run {self.name}"


def _remembered(key: tuple[object, ...], make: Callable[[], T]) -> T:
    """What `make` gives, kept by the process under a key that says all it depends on; the last few are."""
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return cast("T", _kept[key])
    made = make()
    with _lock:
        _kept[key] = made
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return made


def placed(file: str, line: int | None) -> str:
    """models/late.py:5."""
    return f"{file}:{line}" if line else file
