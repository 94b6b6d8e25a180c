"""Where each column of a table comes from, back to the columns of sources and who owns them, and where it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rondo.graph.upstream import edges_of, looked_up
from rondo.loop.workplace import Workplace
from rondo.project.models import Feature
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.records.tables import TableVersion
from rondo.sql.lineage import Kind

Place = tuple[str, str | None]
"""A column of a table or a model; None: the whole of it, because the column could not be told."""
SHOWN = 24
"""A box shows so many columns, marked ones before others."""


@dataclass(frozen=True)
class Wire:
    """A column that another is computed from; of other kinds than `value`, one that decides which rows there are."""

    start: Place
    end: Place
    kind: Kind = "value"
    marked: bool = False


@dataclass(frozen=True)
class Origin:
    """A column of a source: the upstream system's own, with the address it is read from and who owns it."""

    source: str
    column: str | None
    address: str
    owner: str | None


@dataclass(frozen=True)
class Box:
    """A source, a table or a model in the drawing, with the columns that have to do with the table asked about.

    `level` counts from the sources; `more` columns are not shown.
    """

    name: str
    kind: Literal["source", "table", "model"]
    level: int
    columns: tuple[str, ...]
    marked: tuple[str, ...] = ()
    more: int = 0
    version: int | None = None
    address: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class ColumnGraph:
    """The columns that a table's come from and go to; marked is the way of the `chosen` one, if any."""

    about: str
    chosen: str | None
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]


@dataclass(frozen=True)
class Columns:
    """All columns of a project as a graph: what computes what."""

    work: Workplace

    @cached_property
    def _versions(self) -> dict[str, TableVersion | None]:
        return {}

    def _newest(self, table: str) -> TableVersion | None:
        if table not in self._versions:
            entry = self.work.store.ledger.latest(TableVersion, name=table, where={"pinned": False})
            self._versions[table] = entry.record if entry else None
        return self._versions[table]

    def built(self, table: str) -> Mapping[str, str]:
        """The columns of a source or table as last built, and their types; none where it never was."""
        version = self._newest(table)
        return version.columns if version else {}

    @cached_property
    def wires(self) -> tuple[Wire, ...]:
        """Every use of a column by a table or a model, each once."""
        return tuple(dict.fromkeys([*self._of_tables(), *self._of_models()]))

    @cached_property
    def _into(self) -> Mapping[str, Sequence[Wire]]:
        return _grouped((wire.end[0], wire) for wire in self.wires)

    @cached_property
    def _from(self) -> Mapping[str, Sequence[Wire]]:
        return _grouped((wire.start[0], wire) for wire in self.wires)

    def names(self, table: str) -> tuple[str, ...]:
        """The columns of a source or table as last built."""
        return tuple(self.built(table))

    def direct(self, table: str, column: str | None) -> tuple[Wire, ...]:
        """What a column is computed from, and what decides about the table's rows."""
        return tuple(wire for wire in self._into.get(table, ()) if _is_of(wire.end, (table, column)))

    def used(self, table: str, column: str | None) -> tuple[Wire, ...]:
        """What is computed from a column, or decided by it."""
        return tuple(wire for wire in self._from.get(table, ()) if _is_of(wire.start, (table, column)))

    def users(self, table: str, column: str) -> tuple[Place, ...]:
        """What a column is used by: the columns computed from it, and the whole of what it only decides about."""
        ends = dict.fromkeys(wire.end for wire in self.used(table, column) if wire.kind == "value")
        named = {name for name, _ in ends}
        deciding = dict.fromkeys(wire.end for wire in self.used(table, column) if wire.end[0] not in named)
        return (*ends, *deciding)

    def upstream(self, places: Iterable[Place]) -> set[Wire]:
        """Every value on the way to these places."""
        return _reached(places, self._into, lambda wire: wire.end, lambda wire: wire.start)

    def downstream(self, places: Iterable[Place]) -> set[Wire]:
        """Every value that comes from these places."""
        return _reached(places, self._from, lambda wire: wire.start, lambda wire: wire.end)

    def origins(self, table: str, column: str) -> tuple[Origin, ...]:
        """The columns of sources behind a column, in the order of declaration."""
        sources = self.work.project.sources
        places = {wire.start for wire in self.upstream([(table, column)])} | {(table, column)}
        found = []
        for name, source in sources.items():
            columns = sorted((place[1] for place in places if place[0] == name), key=lambda each: each or "")
            found += [Origin(name, each, source.reader.address, source.owner) for each in columns]
        return tuple(found)

    def personal(self) -> dict[Place, str]:
        """Every column that holds personal data, by declaration or because it comes from one that does."""
        project = self.work.project
        found: dict[Place, str] = {}
        declared: dict[str, Source | Table] = {**project.sources, **project.tables}
        for name, declaration in declared.items():
            for column, what in declaration.personal:
                found[name, column] = what
                for wire in self.downstream([(name, column)]):
                    found.setdefault(wire.end, what)
        return found

    def graph(self, about: str, chosen: str | None) -> ColumnGraph:
        """The drawing about one table: its columns, all they come from and all they go to."""
        own: list[Place] = [(about, column) for column in self.names(about)]
        ways = self.upstream(own) | self.downstream(own)
        near = {name for wire in ways for name in (wire.start[0], wire.end[0])} | {about}
        ways |= {wire for wire in self._into.get(about, ()) if wire.start[0] not in near}
        marked: set[Wire] = set()
        if chosen is not None:
            marked = self.upstream([(about, chosen)]) | self.downstream([(about, chosen)])
        places = {place for wire in ways for place in (wire.start, wire.end)} | set(own)
        on = {place for wire in marked for place in (wire.start, wire.end)} | {(about, chosen)}
        boxes = self._boxes(places, on, ways)
        wires = (Wire(w.start, w.end, w.kind, marked=w in marked) for w in self.wires if w in ways)
        return ColumnGraph(about, chosen, boxes, tuple(wires))

    def _boxes(self, places: set[Place], on: set[Place], ways: set[Wire]) -> tuple[Box, ...]:
        project, ledger_names = self.work.project, {name for name, _ in places}
        levels: dict[str, int] = {}
        boxes = []
        for name in (*self.work.nodes, *project.models):
            if name not in ledger_names:
                continue
            above = {wire.start[0] for wire in ways if wire.end[0] == name}
            levels[name] = 1 + max((levels[each] for each in above if each in levels), default=-1)
            model = name in project.models
            everything = self._of_model(name) if model else self.names(name)
            related = [column for column in everything if (name, column) in places]
            marked = tuple(column for column in related if (name, column) in on)
            shown = set(sorted(related, key=lambda column: column not in marked)[:SHOWN])
            source = project.sources.get(name)
            boxes.append(
                Box(
                    name, "model" if model else "source" if source else "table", levels[name],
                    tuple(column for column in related if column in shown), marked, len(everything) - len(shown),
                    None if model else self._version(name), source.reader.address if source else None,
                    project.owner_of(name),
                )
            )  # fmt: skip
        return tuple(boxes)

    def _version(self, name: str) -> int | None:
        version = self._newest(name)
        return version.version if version else None

    def _of_tables(self) -> Iterable[Wire]:
        for table in self.work.project.tables:
            spelled = {name.casefold(): name for name in self.names(table)}
            for edge in edges_of(self.work.catalog, table, self.built):
                to = edge.output_column
                end = None if to is None else spelled.get(to.casefold(), to)
                yield Wire((edge.table, edge.column), (table, end), edge.kind)

    def _of_models(self) -> Iterable[Wire]:
        for name, model in self.work.project.models.items():
            for column in self._of_examples(name):
                yield Wire((model.examples, column), (name, column))
            examples = self.work.project.tables[model.examples]
            for moment in (examples.time, examples.label_known):
                if moment is not None:
                    yield Wire((model.examples, moment), (name, None), "filter")
            for feature in model.features:
                yield from self._of_feature(name, model.examples, feature)

    def _of_feature(self, name: str, examples: str, feature: Feature) -> Iterable[Wire]:
        table, other = self.work.project.tables[feature.table], dict(feature.on)
        for column in looked_up(feature, self.work.catalog, self.built):
            yield Wire((feature.table, column), (name, f"{feature.prefix}.{column}"))
        for key in table.key:
            yield Wire((feature.table, key), (name, None), "join")
            yield Wire((examples, other.get(key, key)), (name, None), "join")
        for moment in (table.time, table.known):
            if moment is not None:
                yield Wire((feature.table, moment), (name, None), "filter")

    def _of_examples(self, name: str) -> tuple[str, ...]:
        model = self.work.project.models[name]
        examples = self.work.project.tables[model.examples]
        apart = {model.task.label, examples.label_known, examples.time}
        inputs = examples.inputs or tuple(column for column in self.names(examples.name) if column not in apart)
        return tuple(dict.fromkeys((model.task.label, *inputs)))

    def _of_model(self, name: str) -> tuple[str, ...]:
        model = self.work.project.models[name]
        brought = ((each.prefix, looked_up(each, self.work.catalog, self.built)) for each in model.features)
        features = (f"{prefix}.{column}" for prefix, columns in brought for column in columns)
        return (*self._of_examples(name), *features)


End = Callable[[Wire], Place]


def _reached(places: Iterable[Place], wires: Mapping[str, Sequence[Wire]], near: End, far: End) -> set[Wire]:
    """Every wire of values that is reached from these places, going from its near end to its far one."""
    seen: set[Place] = set()
    found: set[Wire] = set()
    waiting = list(places)
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        for wire in wires.get(place[0], ()):
            if wire.kind == "value" and _is_of(near(wire), place):
                found.add(wire)
                waiting.append(far(wire))
    return found


def _is_of(end: Place, place: Place) -> bool:
    """Whether an end of a wire is at a place: what is not told apart is at each."""
    return end[0] == place[0] and (end[1] is None or place[1] is None or end[1] == place[1])


def _grouped(pairs: Iterable[tuple[str, Wire]]) -> dict[str, list[Wire]]:
    found: dict[str, list[Wire]] = {}
    for name, wire in pairs:
        found.setdefault(name, []).append(wire)
    return found
