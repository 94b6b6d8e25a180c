"""Names of the project as relations of SQL: sources, tables, datasets, logs and records, as of now or of a moment."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from rondo.errors import DeclarationError, NotFound, WrongUse
from rondo.project.moments import parse_moment
from rondo.project.reading import Project
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.records.development import Version
from rondo.records.kinds import KINDS
from rondo.records.tables import CARRIED, Dataset, Definition, TableVersion
from rondo.records.versions import model_version, table_version
from rondo.sql.engine import connect, describe, failure, literal, quote, relation_of_files
from rondo.sql.parsing import quote_versions, tables_read
from rondo.store.lake import Lake
from rondo.store.ledger import LedgerReader

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

HIDDEN = ("_rondo_file", "_rondo_row", "_rondo_landed")
LOGS = ("predictions", "outcomes", "service")
_SQL_OF = {int: "BIGINT", str: "VARCHAR", float: "DOUBLE", bool: "BOOLEAN", datetime: "TIMESTAMP WITH TIME ZONE"}
_GROUPED = re.compile(r"(?P<group>\w+)\.(?P<rest>.+)")
_VERSIONED = re.compile(r"(?P<name>[^@]+)@(?:v(?P<number>[1-9]\d*)|(?P<model>[1-9]\d*)|(?P<moment>\d{4}-\d\d-\d\d.*))")


def rows_of(version: TableVersion, lake: Lake) -> str:
    """The stored rows of a version, hidden columns and revisions included."""
    columns = dict(version.columns)
    if version.stage == "source":
        columns |= {HIDDEN[0]: "VARCHAR", HIDDEN[1]: "BIGINT", HIDDEN[2]: "TIMESTAMP WITH TIME ZONE"}
    return relation_of_files(lake.files(version.path, version.delta), columns)


def timed_source(source: Source, version: TableVersion, lake: Lake) -> str:
    """A source's stored rows with `_rondo_time` and `_rondo_known`, by its declared expressions.

    Left out, both are the landing; `known="always"` reads as null: known at any moment.
    """
    rows = rows_of(version, lake)
    time = f"({source.time})" if source.time else HIDDEN[2]
    if source.known == "always":
        return f"(select *, {time}::timestamptz as _rondo_time, null::timestamptz as _rondo_known from {rows})"
    if source.known is None:
        return f"(select *, {time}::timestamptz as _rondo_time, {HIDDEN[2]} as _rondo_known from {rows})"
    named = any(name.casefold() == "time" for name in version.columns)
    inner = rows if named else f'(select *, {time} as "time" from {rows})'
    hide = "" if named else ' exclude ("time")'
    known = f"({source.known})::timestamptz as _rondo_known"
    return f"(select *{hide}, {time}::timestamptz as _rondo_time, {known} from {inner})"


def source_relation(source: Source, version: TableVersion, lake: Lake, *, as_of: datetime | None = None) -> str:
    """A source's rows: one a key (the latest revision known), those alone that were known by `as_of`.

    Where no `known` is declared the caller chooses the version by its landing.
    """
    columns = ", ".join(quote(name) for name in version.columns)
    cut = as_of is not None and source.known not in (None, "always")
    revised = bool(source.key) and version.revised
    if not cut and not revised:
        return f"(select {columns} from {rows_of(version, lake)})"
    where = f" where _rondo_known <= {literal(as_of)}" if cut else ""
    key = ", ".join(quote(name) for name in source.key)
    latest = (
        f" qualify row_number() over (partition by {key} "
        f"order by _rondo_known desc nulls last, {HIDDEN[2]} desc, {HIDDEN[1]} desc) = 1"
    )
    return f"(select {columns} from {timed_source(source, version, lake)}{where}{latest if revised else ''})"


def known_column(table: Table) -> str | None:
    """The column that says when a row of a table became known: of examples, when their label did."""
    return table.label_known if table.is_examples else table.known


@dataclass(frozen=True)
class Catalog:
    """Every name that SQL may read. `live` gives predictions that are logged and not yet in the lake, by model."""

    project: Project
    ledger: LedgerReader
    lake: Lake
    live: Callable[[str], pa.Table | None] = lambda model: None

    def version_of(
        self,
        name: str,
        *,
        definition: str | None = None,
        until: datetime | None = None,
        number: int | None = None,
    ) -> TableVersion:
        """The newest version of a source or table (of a definition, by a moment of the ledger), or number so-and-so."""
        if name not in self.project.names:
            raise NotFound.among("table", name, sorted(self.project.names))
        where = {"definition": definition} if definition else None if number else {"pinned": False}
        entry = self.ledger.latest(TableVersion, name=name, version=number, until=until, where=where)
        if entry is None:
            what = table_version(name, number) if number else name
            raise NotFound(
                f"{what} has no rows in the lake" + (f" as of {until.isoformat()}." if until else "."),
                next_step="Run `rondo run`.",
            )
        return entry.record

    def relation(self, name: str, *, as_of: datetime | None = None, number: int | None = None) -> str:
        """A source or table as what stands after `from`: its newest version, number so-and-so, or as of a moment."""
        source = self.project.sources.get(name)
        if source is not None:
            return self._source(source, as_of, number)
        if name not in self.project.tables:
            raise NotFound.among("table", name, sorted(self.project.names))
        table = self.project.tables[name]
        if as_of is None or number is not None:
            return f"(select * from {rows_of(self.version_of(name, number=number), self.lake)})"
        known = known_column(table)
        if known is not None:
            rows = rows_of(self.version_of(name), self.lake)
            return f"(select * from {rows} where {quote(known)}::timestamptz <= {literal(as_of)})"
        return self._rebuilt(table, as_of)

    def _source(self, source: Source, as_of: datetime | None, number: int | None) -> str:
        if number is not None:
            version = self.version_of(source.name, number=number)
            return source_relation(self._as_declared_for(version, source), version, self.lake)
        if as_of is None or source.known is not None:
            return source_relation(source, self.version_of(source.name), self.lake, as_of=as_of)
        entry = self.ledger.latest(TableVersion, name=source.name, until=as_of, where={"pinned": False})
        if entry is not None:
            return source_relation(self._as_declared_for(entry.record, source), entry.record, self.lake)
        return f"(select * from {source_relation(source, self.version_of(source.name), self.lake)} where false)"

    def _as_declared_for(self, version: TableVersion, source: Source) -> Source:
        """The declaration that a version landed under."""
        entry = self.ledger.latest(Definition, name=version.name, where={"definition": version.definition})
        return msgspec.convert(entry.record.declaration, Source) if entry else source

    def _rebuilt(self, table: Table, as_of: datetime) -> str:
        """A table without `known`, from its inputs as of the moment."""
        inputs = [
            f"{quote(name)} as (select * from {self.relation(name, as_of=as_of)})"
            for name in tables_read(table.sql)
            if name in self.project.names
        ]
        given = f"with {', '.join(inputs)} " if inputs else ""
        return f"({given}select * from ({table.sql}\n))"

    def relation_of(self, name: str, as_of: datetime | None = None) -> str:
        """Any name SQL may read, such as `flights`, `flights@v12`, `dataset.late@7`, `ledger.runs`, as a relation."""
        group, rest = _parts(name)
        if group is not None:
            return self._grouped(group, rest, as_of)
        found = _VERSIONED.fullmatch(name)
        if found is None:
            return self.relation(name, as_of=as_of)
        if found["number"]:
            return self.relation(found["name"], number=int(found["number"]))
        if found["moment"]:
            moment = parse_moment(found["moment"], self.project.settings.timezone)
            return self.relation(found["name"], as_of=moment)
        raise WrongUse(f"{name} is a version of a model, not rows.", next_step=f'Read dataset."{name}" or a table.')

    def _grouped(self, group: str, name: str, as_of: datetime | None) -> str:
        if group == "dataset":
            return self.dataset_relation(name, as_of)
        if group in LOGS:
            return self._log(group, name, as_of)
        if group == "quarantine":
            return self._quarantine(name)
        raise NotFound.among(
            "schema", group, ["dataset", "ledger", "measurements", "outcomes", "predictions", "quarantine", "service"]
        )

    def dataset(self, name: str, until: datetime | None = None) -> Dataset:
        """The dataset of `late` (the newest, by a moment of the ledger), or of `late@7` (what that was trained on)."""
        model, at, number = name.partition("@")
        self.project.model(model)
        which: int | None = None
        if at:
            version = self.ledger.latest(Version, name=model, version=int(number)) if number.isdigit() else None
            if version is None:
                raise NotFound(
                    f"There is no version {name}.", next_step=f"`rondo history` lists the versions of {model}."
                )
            which = version.record.dataset
        entry = self.ledger.latest(Dataset, name=model, version=which, until=until)
        if entry is None:
            raise NotFound(f"No dataset of {model} was frozen.", next_step="Run `rondo run`.")
        return entry.record

    def dataset_relation(self, name: str, until: datetime | None = None) -> str:
        """A dataset's public columns."""
        dataset = self.dataset(name, until)
        columns = ", ".join(quote(c) for c in dataset.columns if not c.startswith(CARRIED))
        rows = relation_of_files(self.lake.files(dataset.path, dataset.delta), dataset.columns)
        return f"(select {columns} from {rows})"

    def _log(self, group: str, model: str, as_of: datetime | None) -> str:
        self.project.model(model)
        path = f"{group}/{model}"
        stored = self.lake.version(path) is not None
        column = "known" if group == "outcomes" else "at"
        where = f" where {quote(column)} <= {literal(as_of)}" if as_of else ""
        live = f"_live_{model}" if group == "predictions" and self.live(model) is not None else None
        parts = [f"select * from {relation_of_files(self.lake.files(path))}"] if stored else []
        parts += [f"select * from {quote(live)}"] if live else []
        if not parts:
            what = {"service": "lines of the service log"}.get(group, group)
            raise NotFound(f"There are no {what} of {model} yet.", next_step=f"Serve {model} and send requests.")
        return f"(select * from ({' union all by name '.join(parts)}){where})"

    def _quarantine(self, name: str) -> str:
        version = self.version_of(name)
        path = f"quarantine/{name}/{version.definition[:12]}"
        columns = {**version.columns, "check_name": "VARCHAR"}
        files = self.lake.files(path) if self.lake.version(path) is not None else []
        shown = ", ".join(map(quote, columns))
        return f"(select {shown} from {relation_of_files(files, columns)})"

    def query(self, sql: str, *, as_of: datetime | None = None, limit: int | None = 10_000) -> Answer:
        """Run a query over these names. `limit` rows at most (None: all). Errors are RondoErrors."""
        con = connect(timezone=self.project.settings.timezone)
        try:
            quoted = quote_versions(sql)
            for name in tables_read(quoted):
                self.publish(con, name, as_of)
            return answered(con, quoted, limit)
        finally:
            con.close()

    def publish(self, con: DuckDBPyConnection, name: str, as_of: datetime | None = None) -> None:
        """Make a name readable in a session, as a view of the same name."""
        group, rest = _parts(name)
        if group is not None:
            con.sql(f"create schema if not exists {quote(group)}")
        target = f"{quote(group)}.{quote(rest)}" if group is not None else quote(name)
        if group in ("ledger", "measurements"):
            if group == "measurements":
                self.project.model(rest)
            kind = rest if group == "ledger" else "measurements"
            table = self.records(kind, until=as_of)
            con.register(f"_records_{kind}", table)
            where = f" where name = {literal(rest)}" if group == "measurements" else ""
            con.sql(f"create view {target} as select * from {quote(f'_records_{kind}')}{where}")
            return
        if group == "predictions" and (live := self.live(rest)) is not None:
            con.register(f"_live_{rest}", live)
        con.sql(f"create view {target} as select * from {self.relation_of(name, as_of)}")

    def records(self, kind: str, until: datetime | None = None) -> pa.Table:
        """All records of a kind, one row each: its fields (nested ones as JSON), `seq`, `at`, `written`, `by`.

        `version` is whole: `late@7` of a model, `flights@v12` of a table.
        """
        import pyarrow as pa

        if kind not in KINDS:
            raise NotFound.among("kind of record", kind, list(KINDS))
        columns = {"seq": int, "at": datetime, "written": datetime, "by": str} | _fields(KINDS[kind])
        rows = self.ledger.rows(kind, until)
        whole = table_version if KINDS[kind].__module__.endswith(".tables") else model_version
        arrays = {}
        for name, python in columns.items():
            if name == "version" and python is int:
                versions = [row.get(name) and whole(str(row["name"]), int(str(row[name]))) for row in rows]
                arrays[name] = pa.array(versions, pa.string())
            else:
                arrays[name] = pa.array([_cell(row.get(name), python) for row in rows], _arrow(python))
        return pa.table(arrays)

    @cached_property
    def timezone(self) -> str:
        """The project's timezone."""
        return self.project.settings.timezone


class Answer(msgspec.Struct, frozen=True):
    """Rows of a query: column types by name, the rows as Arrow, whether there were more."""

    columns: Mapping[str, str]
    rows: Any
    truncated: bool


def _parts(name: str) -> tuple[str | None, str]:
    """The schema (None without one) and the rest: `dataset.late@7` has one, `flights@2013-05-01T12:00:00.5` has not."""
    found = _GROUPED.fullmatch(name)
    return (found["group"], found["rest"]) if found else (None, name)


def answered(
    con: DuckDBPyConnection, sql: str, limit: int | None, parameters: Mapping[str, object] | None = None
) -> Answer:
    """The answer to a query in a session that can read its names; values for its `$names` are bound."""
    import duckdb
    import pyarrow as pa

    columns = {} if parameters else describe(con, sql)
    try:
        relation = con.sql(sql, params=dict(parameters)) if parameters else con.sql(sql)
        columns = columns or {name: str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}
        table = (relation if limit is None else relation.limit(limit + 1)).to_arrow_table()
    except (duckdb.Error, pa.ArrowException) as error:
        raise failure(error, sql) from error
    if len(columns) != table.num_columns:
        raise DeclarationError("Two columns bear one name.", next_step="Give one of them another: … as other_name")
    truncated = limit is not None and table.num_rows > limit
    return Answer(columns, table.slice(0, limit) if truncated else table, truncated)


def _fields(kind: type) -> dict[str, type]:
    """A record's fields by the name they are stored under, with a plain Python type (object: nested)."""
    hints = typing.get_type_hints(kind)
    found: dict[str, type] = {}
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        arguments = [a for a in typing.get_args(hint) if a is not type(None)]
        if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
            hint = arguments[0] if len(arguments) == 1 else object
        if typing.get_origin(hint) is typing.Literal:
            hint = type(typing.get_args(hint)[0])
        found[field.encode_name] = hint if hint in _SQL_OF else object
    return found


def _cell(value: object, python: type) -> object:
    if value is None:
        return None
    if python is datetime and isinstance(value, str):
        return datetime.fromisoformat(value)
    if python is object:
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return value


def _arrow(python: type) -> pa.DataType:
    import pyarrow as pa

    return {
        int: pa.int64(),
        str: pa.string(),
        float: pa.float64(),
        bool: pa.bool_(),
        datetime: pa.timestamp("us", tz="UTC"),
    }.get(python, pa.string())
