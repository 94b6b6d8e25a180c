"""The versions of a table: when each was made, why, how large it is, who uses it; and of a source what brought it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from rondo.deploy.rollout import roles
from rondo.errors import NotFound
from rondo.graph.definitions import tables_of
from rondo.loop.workplace import Workplace
from rondo.records.deployment import Role
from rondo.records.development import Version
from rondo.records.tables import Dataset, TableVersion
from rondo.records.versions import model_version, table_version
from rondo.store.ledger import Entry

VERSIONS = 12
USERS = 30
"""So many of the newest datasets and versions of each model are looked through for what they read."""
ARRIVALS = 12


@dataclass(frozen=True)
class Because:
    """Why a version was made: the first one, a changed definition, new files, a new version of what it reads, another
    moment that was asked for; `again` where none of these changed.
    """

    kind: Literal["first", "definition", "files", "input", "moment", "again"]
    name: str | None = None
    before: int | None = None
    after: int | None = None
    moment: datetime | None = None


@dataclass(frozen=True)
class VersionLine:
    """A version. `more` is its rows less those of the version before; `pinned` was made for a version at work."""

    name: str
    number: int
    at: datetime
    rows: int
    bytes: int
    seconds: float
    because: tuple[Because, ...]
    more: int | None = None
    quarantined: int = 0
    pinned: bool = False
    as_of: datetime | None = None
    used_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pin:
    """A version of a model that was trained on a definition of the table; `present` says it is today's."""

    version: str
    model: str
    number: int
    present: bool
    role: Role | None = None


@dataclass(frozen=True)
class Arrival:
    """A file that a source took in; `at` is when it was last written, `landed` the version that took it in."""

    path: str
    bytes: int
    rows: int
    at: datetime
    landed: int


def entries_of(work: Workplace, name: str) -> list[Entry[TableVersion]]:
    """The newest versions, newest first, and one before them to compare with."""
    return work.store.ledger.entries(TableVersion, name=name, limit=VERSIONS + 1, newest_first=True)


def entry_of(work: Workplace, name: str, number: int | None) -> Entry[TableVersion] | None:
    """A version: the newest of today's definition line, or that of this number. Raises NotFound for one that is not."""
    where = None if number else {"pinned": False}
    entry = work.store.ledger.latest(TableVersion, name=name, version=number, where=where)
    if entry is None and number:
        there = [table_version(name, each.record.version) for each in entries_of(work, name)]
        raise NotFound.among("version", table_version(name, number), there)
    return entry


def before(work: Workplace, version: TableVersion) -> TableVersion | None:
    """The version before one, of those that were not made for a version at work."""
    for number in range(version.version - 1, max(0, version.version - 1 - VERSIONS), -1):
        entry = work.store.ledger.latest(TableVersion, name=version.name, version=number)
        if entry is not None and not entry.record.pinned:
            return entry.record
    return None


def version_lines(work: Workplace, name: str, entries: Sequence[Entry[TableVersion]]) -> tuple[VersionLine, ...]:
    """The newest versions as lines, newest first."""
    users = _users(work, name)
    found = []
    for place, entry in enumerate(entries[:VERSIONS]):
        version = entry.record
        earlier = next((e.record for e in entries[place + 1 :] if e.record.pinned == version.pinned), None)
        found.append(
            VersionLine(
                table_version(name, version.version), version.version, entry.at, version.rows,
                work.store.lake.size(version.path, version.delta), version.seconds, tuple(_because(earlier, version)),
                version.rows - earlier.rows if earlier else None, version.quarantined, version.pinned, version.as_of,
                tuple(users.get(version.version, ())),
            )
        )  # fmt: skip
    return tuple(found)


def pins(work: Workplace, name: str) -> tuple[Pin, ...]:
    """The newest versions of models that read the table, those at work first."""
    definition = work.nodes[name].definition
    found = []
    for model in work.project.models.values():
        if name not in tables_of(model):
            continue
        at_work = {held.record.version: role for role, held in roles(work.store.ledger, model.name).items()}
        newest = work.store.ledger.entries(Version, name=model.name, limit=USERS, newest_first=True)
        records = {entry.record.version: entry.record for entry in newest}
        for number in at_work.keys() - records.keys():
            if (entry := work.store.ledger.latest(Version, name=model.name, version=number)) is not None:
                records[number] = entry.record
        found += [
            Pin(
                model_version(model.name, number), model.name, number,
                record.pinned.get(name) == definition, at_work.get(number),
            )
            for number, record in records.items()
            if name in record.pinned
        ]  # fmt: skip
    return tuple(sorted(found, key=lambda pin: (pin.role is None, pin.model, -pin.number)))


def arrivals(entries: Sequence[Entry[TableVersion]]) -> tuple[Arrival, ...]:
    """The files that the newest landings of a source (newest first) took in, as last seen, the last written first."""
    found: dict[str, Arrival] = {}
    for entry in entries:
        for file in entry.record.files:
            at = datetime.fromtimestamp(file.modified_ns / 1e9, UTC)
            found.setdefault(file.path, Arrival(file.path, file.size, file.rows, at, entry.record.version))
    return tuple(sorted(found.values(), key=lambda each: (each.at, each.path), reverse=True)[:ARRIVALS])


def _because(earlier: TableVersion | None, version: TableVersion) -> list[Because]:
    if earlier is None:
        return [Because("first")]
    found = []
    if earlier.definition != version.definition:
        found.append(Because("definition"))
    if version.files:  # of a source: what this landing took in
        found.append(
            Because("files", version.files[0].path if len(version.files) == 1 else None, None, len(version.files))
        )
    numbers = {each.name: each.version for each in earlier.inputs}
    found += [
        Because("input", each.name, numbers.get(each.name), each.version)
        for each in version.inputs
        if numbers.get(each.name) != each.version
    ]
    if earlier.as_of != version.as_of and not found:
        found.append(Because("moment", moment=version.as_of))
    return found or [Because("again")]


def _users(work: Workplace, name: str) -> dict[int, list[str]]:
    """The versions of models that were trained on each version of a table."""
    found: dict[int, list[str]] = {}
    for model in work.project.models.values():
        if name not in tables_of(model):
            continue
        trained: dict[int, list[int]] = {}
        for entry in work.store.ledger.entries(Version, name=model.name, limit=USERS, newest_first=True):
            trained.setdefault(entry.record.dataset, []).append(entry.record.version)
        for frozen in work.store.ledger.entries(Dataset, name=model.name, limit=USERS, newest_first=True):
            for read in frozen.record.inputs:
                if read.name == name:
                    users = [model_version(model.name, number) for number in trained.get(frozen.record.version, ())]
                    found.setdefault(read.version, []).extend(users)
    return found
