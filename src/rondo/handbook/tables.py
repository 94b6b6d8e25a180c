"""Sources and tables at a glance: what each is, how it stands, who owns it and who reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

from rondo.deploy.rollout import roles
from rondo.errors import RondoError
from rondo.graph.definitions import tables_of
from rondo.loop.planning import newest
from rondo.loop.workplace import Workplace
from rondo.monitor.alerting import newest_alerts, standing
from rondo.monitor.freshness import newest_known
from rondo.project.reports import FOLDER, read_report, report_names
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.records.running import Run
from rondo.records.tables import CheckResult, TableVersion
from rondo.records.versions import model_version
from rondo.sql.parsing import quote_versions, tables_read
from rondo.sql.repeated import Repeated, repeated
from rondo.team.people import answerable

Stage = Literal["source", "table", "examples"]
State = Literal["passed", "warned", "quarantined", "late", "failed", "blocked", "unbuilt"]
"""How a table stands, the best first but for `unbuilt`: nothing has been tried yet."""
Via = Literal["query", "check", "examples", "features", "rows", "report"]
LEADS = "data_engineer"
"""Who answers for a table that nobody owns."""


@dataclass(frozen=True)
class Owner:
    """Who answers for something. Where `declared` is None nobody was named, and `id` is the next best by role."""

    declared: str | None
    id: str | None
    name: str | None
    contact: str | None


@dataclass(frozen=True)
class Reader:
    """What reads a table, and how: in its query, a check or a report, as examples, features or rows to test on."""

    kind: Literal["table", "model", "testset", "report"]
    name: str
    via: Via


@dataclass(frozen=True)
class Freshness:
    """When the newest row became known (`known`), or where nothing is declared last landed (`landed`)."""

    newest: datetime
    basis: Literal["known", "landed"]
    age_s: float
    limit_s: int | None = None

    @property
    def late(self) -> bool:
        """Whether it is older than it may be."""
        return self.limit_s is not None and self.age_s >= self.limit_s


@dataclass(frozen=True)
class AlertLine:
    """An open alert."""

    id: str
    name: str
    summary: str
    severity: Literal["warning", "critical"]


@dataclass(frozen=True)
class TableLine:
    """A source or a table at a glance.

    `number` is its newest version's; `changed` says that its definition was changed since, or what it reads was.
    `checks_failed` counts checks, not rows. `address` is where a source's rows come from.
    """

    name: str
    stage: Stage
    summary: str | None
    file: str
    line: int | None
    owner: Owner
    reads: tuple[str, ...]
    readers: tuple[Reader, ...]
    state: State
    address: str | None = None
    number: int | None = None
    at: datetime | None = None
    rows: int | None = None
    bytes: int | None = None
    checks: int = 0
    checks_failed: int = 0
    quarantined: int = 0
    freshness: Freshness | None = None
    changed: bool = False
    reason: str | None = None
    alerts: tuple[AlertLine, ...] = ()


@dataclass(frozen=True)
class ModelLine:
    """A model as a reader of tables, and the version of it that is in production."""

    name: str
    owner: Owner
    reads: tuple[str, ...]
    production: str | None = None


@dataclass(frozen=True)
class TablesFacts:
    """All sources and tables in the order in which they are built, the models that read them, and what is amiss.

    `unused` has no reader at all; `repeated` is logic that stands in more than one SQL file.
    """

    project: str
    now: datetime
    tables: tuple[TableLine, ...]
    models: tuple[ModelLine, ...]
    unused: tuple[str, ...]
    repeated: tuple[Repeated, ...]


def tables_facts(work: Workplace) -> TablesFacts:
    """How the project's sources and tables stand now."""
    project = work.project
    lines = tuple(table_lines(work, work.nodes))
    models = tuple(
        ModelLine(
            model.name, owner_of(work, model.owner, "data_scientist"), tables_of(model), production(work, model.name)
        )
        for model in project.models.values()
    )
    unused = tuple(line.name for line in lines if not line.readers)
    twice = repeated({name: table.sql for name, table in project.tables.items()})
    return TablesFacts(project.settings.name, work.now(), lines, models, unused, twice)


def table_lines(work: Workplace, names: Iterable[str]) -> Iterator[TableLine]:
    """These sources and tables as they stand now."""
    names = tuple(names)
    open_alerts = standing(newest_alerts(work.store.ledger))
    fresh, read, failed = freshness(work, names), readers(work), _failures(work)
    for name in names:
        about = [alert for alert in open_alerts if name in alert.about]
        alerts = tuple(AlertLine(each.id, each.name, each.summary, each.severity) for each in about)
        yield _line(work, name, fresh.get(name), tuple(read.get(name, ())), failed.get(name), alerts)


def _line(
    work: Workplace,
    name: str,
    fresh: Freshness | None,
    read: tuple[Reader, ...],
    failed: str | None,
    alerts: tuple[AlertLine, ...],
) -> TableLine:
    node = work.nodes[name]
    declared = node.declaration
    entry = work.store.ledger.latest(TableVersion, name=name, where={"pinned": False})
    checked = work.store.ledger.latest(CheckResult, name=name)
    version, checks = entry.record if entry else None, checked.record if checked else None
    return TableLine(
        name=name,
        stage=stage_of(declared),
        summary=declared.summary,
        file=declared.file,
        line=declared.line if isinstance(declared, Source) else 1,
        owner=owner_of(work, declared.owner),
        reads=tuple(node.reads),
        readers=read,
        state=_state(version, checks, fresh, failed),
        address=declared.reader.address if isinstance(declared, Source) else None,
        number=version.version if version else None,
        at=entry.at if entry else None,
        rows=version.rows if version else None,
        bytes=work.store.lake.size(version.path, version.delta) if version else None,
        checks=len(checks.checks) if checks else len(declared.checks),
        checks_failed=sum(check.state == "failed" for check in checks.checks) if checks else 0,
        quarantined=version.quarantined if version else 0,
        freshness=fresh,
        changed=version is not None and version.definition != node.definition,
        reason=failed,
        alerts=alerts,
    )


def stage_of(declared: Source | Table) -> Stage:
    """What it is: a source, a table, or the examples of a model."""
    return "source" if isinstance(declared, Source) else "examples" if declared.is_examples else "table"


def _state(
    version: TableVersion | None, checks: CheckResult | None, fresh: Freshness | None, failed: str | None
) -> State:
    if checks is not None and checks.state == "blocked":
        return "blocked"
    if failed is not None:
        return "failed"
    if version is None:
        return "unbuilt"
    if fresh is not None and fresh.late:
        return "late"
    return checks.state if checks is not None and checks.state != "blocked" else "passed"


def _failures(work: Workplace) -> dict[str, str]:
    """What the newest run could not bring up to date, and why."""
    entry = work.store.ledger.latest(Run)
    steps = entry.record.steps if entry else []
    return {step.name: step.reason or step.state for step in steps if step.state == "failed"}


def freshness(work: Workplace, names: Iterable[str]) -> dict[str, Freshness]:
    """How old the newest row of each is now; of one without rows nothing."""
    now = work.now()
    found = {}
    for name, at in newest_known(work.catalog, names, now).items():
        version, limit_s = newest(work.store.ledger, name), work.nodes[name].declaration.fresh_s
        if at is not None and version is not None:
            basis: Literal["known", "landed"] = "landed" if version.known_until is None else "known"
            found[name] = Freshness(at, basis, max(0.0, (now - at).total_seconds()), limit_s)
    return found


def owner_of(work: Workplace, declared: str | None, role: str = LEADS) -> Owner:
    """Who answers for what `declared` owns."""
    found = answerable(work.project.settings.people, declared, role)
    person = found.people[0] if found.people else None
    if person is None:
        return Owner(declared, declared, None, None)
    return Owner(declared, person.id, person.name, person.contact)


def production(work: Workplace, model: str) -> str | None:
    """The version of a model that is in production."""
    held = roles(work.store.ledger, model).get("production")
    return model_version(model, held.record.version) if held else None


def readers(work: Workplace) -> dict[str, list[Reader]]:
    """By source and table everything in the project that reads it, whatever is built."""
    project = work.project
    found: dict[str, list[Reader]] = {}
    for table in project.tables.values():
        queried = tables_read(table.sql)
        for name in work.nodes[table.name].reads:
            found.setdefault(name, []).append(Reader("table", table.name, "query" if name in queried else "check"))
    for model in project.models.values():
        for name in tables_of(model):
            via: Via = "examples" if model.examples == name else "features"
            found.setdefault(name, []).append(Reader("model", model.name, via))
    for each in project.testsets.values():
        for name in tables_read(each.sql) if each.sql is not None else ():
            found.setdefault(name, []).append(Reader("testset", each.name, "rows"))
    for report, names in _reports(work):
        for name in sorted(names):
            found.setdefault(name, []).append(Reader("report", report, "report"))
    return found


def _reports(work: Workplace) -> tuple[tuple[str, frozenset[str]], ...]:
    root = work.project.root
    files = sorted((root / FOLDER).glob("*.md"))
    return _read_by_reports(root, tuple((str(file), file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=16)
def _read_by_reports(root: Path, files: tuple[tuple[str, int], ...]) -> tuple[tuple[str, frozenset[str]], ...]:
    """What each report reads; one that cannot be read says so on its own page. `files` tell one state from another."""
    found = []
    for name in report_names(root):
        try:
            found.append((name, _tables_of([query.sql for query in read_report(root, name).queries])))
        except RondoError:
            continue
    return tuple(found)


def _tables_of(queries: Sequence[str]) -> frozenset[str]:
    """The tables that queries read, versions and moments aside: `flights@v12` is `flights`."""
    return frozenset(name.partition("@")[0] for sql in queries for name in tables_read(quote_versions(sql)))
