"""Outcomes: what really happened, of each question asked. This is their only writer.

`outcomes/MODEL` in the lake has the key columns of the examples, `moment`, `prediction`, `outcome`, `known` and
`source`. Rows are only added. An outcome belongs to (key, moment); where an answer was given without a complete key (or
the examples have none) it belongs to the `prediction` with that id. Of several the latest known wins.

A row is added only if none with the same identity, outcome and known is there, under a lock: so a landing that was
killed is simply done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

import msgspec

from rondo.data.forgotten import erasures_of, forgotten_keys, left_out, pseudonyms_of
from rondo.data.session import session
from rondo.errors import NotFound
from rondo.features.signature import kind_of
from rondo.project.models import Model
from rondo.project.reading import Project
from rondo.project.tables import Table
from rondo.records.tables import Input, OutcomesLanded, Scalar, TableVersion
from rondo.records.versions import table_version as written_version
from rondo.sql.engine import describe, literal, quote, relation_of_files, run, to_batches
from rondo.store.locks import held
from rondo.store.opening import Store
from rondo.store.pseudonyms import Forgotten

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STREAM = "outcomes"
"""The inbox: the stream of the log that servers append reported outcomes to. Every model reads all of it."""
API = "api"
OWN = ("moment", "prediction", "outcome", "known", "source")
"""Columns of every outcome. A key column of such a name is stored as `key.NAME`."""
LANDED_AT_ONCE = 50_000

Identified = tuple[str, Mapping[str, object], datetime | None]
"""Model, key and moment of a prediction."""


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """One payload of the inbox: the outcome of the prediction `id`, or of (model, key, moment)."""

    outcome: Scalar
    known: datetime
    received: datetime
    id: str | None = None
    model: str | None = None
    key: dict[str, Any] | None = None
    moment: datetime | None = None


@dataclass(frozen=True)
class Collected:
    """What a look into the inbox brought. `unknown` are ids that no prediction of the model bears; `unfit` are
    outcomes whose key or value is not of the examples' types. Both stay in the inbox.
    """

    landed: OutcomesLanded | None
    unknown: tuple[str, ...] = ()
    unfit: tuple[Reported, ...] = ()


def path_of(model: str) -> str:
    """Where a model's outcomes are in the lake."""
    return f"outcomes/{model}"


def column_of(key: str) -> str:
    """Under which name a column of the examples' key stands among the outcomes."""
    return f"key.{key}" if key.casefold() in OWN else key


def current_outcomes(relation: str, model: Model, project: Project, *, as_of: datetime | None = None) -> str:
    """The outcome of each question that was known last (by `as_of`); of two known at once, the one of the newer table.

    `relation` stands for `outcomes/MODEL`; what comes back has the same columns, one row an identity.
    """
    return _current(relation, project.tables[model.examples], as_of)


def _current(relation: str, examples: Table, as_of: datetime | None = None) -> str:
    identity = ", ".join(_identity(examples))
    known = f" where known <= {literal(as_of)}" if as_of else ""
    version = "coalesce(try_cast(regexp_extract(source, '@v([0-9]+)$', 1) as bigint), 0)"
    newest = f"max({{'known': known, 'version': {version}, 'outcome': outcome, 'source': source}})"
    grouped = f"select {identity}, {newest} as o from {relation}{known} group by all"
    return f"(select {identity}, o.outcome as outcome, o.known as known, o.source as source from ({grouped}))"


def land_outcomes(
    model: Model,
    *,
    project: Project,
    store: Store,
    relation: str,
    table_version: Input,
    now: datetime,
    by: str,
) -> OutcomesLanded | None:
    """Add the labels of the examples (`relation`) that are known by now and not among the outcomes yet.

    None where nothing was to do, or examples without a key leave nothing to tell them apart by.
    """
    examples = project.tables[model.examples]
    source = f"table:{written_version(table_version.name, table_version.version)}"
    if not examples.key:
        return None
    with session(project, store) as opened, outcomes_alone(store, model.name):
        con = opened.con
        if _is_landed(con, store, model, examples, relation, source, now):
            return None
        kept = left_out(con, relation, _forgotten(project, store, model), time=examples.time)
        labelled = _labelled(examples, kept, now)
        added = _add(con, store, model, examples, labelled, source)
    landed = OutcomesLanded(name=model.name, source=source, inputs=[table_version], **added._asdict())
    store.ledger.append(landed, by=by, at=now)
    return landed


def collect_inbox(
    model: Model,
    *,
    project: Project,
    store: Store,
    identify: Callable[[Collection[str]], Mapping[str, Identified]],
    now: datetime,
    by: str,
) -> Collected:
    """Add the outcomes of this model that servers took in since the last look.

    `identify` tells what predictions were about, for ids that are not in the lake's predictions of this model. Those
    it leaves out no answer is known to bear: they are counted as unknown.
    """
    examples = project.tables[model.examples]
    landed: OutcomesLanded | None = None
    unknown: list[str] = []
    unfit: list[Reported] = []
    with session(project, store) as opened, outcomes_alone(store, model.name):
        last = store.ledger.latest(OutcomesLanded, name=model.name, where={"source": API})
        there = set(store.log.segments(STREAM))
        read = {segment: end for segment, end in (last.record.segments if last else {}).items() if segment in there}
        is_forgotten = _forgotten_reports(project, store, model)
        while waiting := list(islice(store.log.read(STREAM, read), LANDED_AT_ONCE)):
            types = _types(store, model)
            read |= {segment: end for segment, end, _ in waiting}
            reported = [decode(payload) for *_, payload in waiting]
            mine = [each for each in reported if each.model in (None, model.name) and not is_forgotten(each)]
            found, lost = _identified(opened.con, store, model, examples, mine, identify)
            unknown += lost
            unfit += _lay_out(opened.con, examples, types, found)
            added = _add(opened.con, store, model, examples, "_rondo_reported", API)
            landed = OutcomesLanded(name=model.name, source=API, segments=dict(read), **added._asdict())
            store.ledger.append(landed, by=by, at=now)
    return Collected(landed, tuple(unknown), tuple(unfit))


decode = msgspec.msgpack.Decoder(Reported).decode


def outcomes_alone(store: Store, model: str) -> AbstractContextManager[None]:
    """While this is held nobody else adds to a model's outcomes or takes any away."""
    return held(store.folder / "locks" / f"outcomes-{model}.lock")


def _identity(examples: Table) -> list[str]:
    return [*(quote(column_of(name)) for name in examples.key), "moment", "prediction"]


def _types(store: Store, model: Model) -> Mapping[str, str]:
    """The columns of the examples as they were built last."""
    entry = store.ledger.latest(TableVersion, name=model.examples)
    if entry is None:
        raise NotFound(f"{model.examples} has no rows in the lake.", next_step="Run `rondo run`.")
    return entry.record.columns


def _forgotten(project: Project, store: Store, model: Model) -> list[tuple[Forgotten, dict[str, datetime]]]:
    erasures = [entry.record for entry in erasures_of(store, model.name)]
    pseudonyms = pseudonyms_of(store, erasures)
    if pseudonyms is None:
        return []
    return forgotten_keys(erasures, _types(store, model), pseudonyms, project.settings.timezone)


def _forgotten_reports(project: Project, store: Store, model: Model) -> Callable[[Reported], bool]:
    """Which reports are of a key that was forgotten since its question was asked."""
    keys, timed = _forgotten(project, store, model), project.tables[model.examples].time

    def is_forgotten(each: Reported) -> bool:
        if not timed or each.key is None or each.moment is None:
            return False
        for forgotten, until in keys:
            if forgotten.columns.keys() <= each.key.keys():
                digest = forgotten.pseudonym([each.key[name] for name in forgotten.columns])
                if digest in until and each.moment <= until[digest]:
                    return True
        return False

    return is_forgotten


# --- from the table of labels ---------------------------------------------------------------------------------------


def _is_landed(
    con: DuckDBPyConnection, store: Store, model: Model, examples: Table, relation: str, source: str, now: datetime
) -> bool:
    """Whether this version was landed, and no label of it has become known since."""
    last = store.ledger.latest(OutcomesLanded, name=model.name, where={"source": source})
    if last is None:
        return False
    if not examples.label_known:
        return True
    since = f"{quote(examples.label_known)}::timestamptz > {literal(last.at)}"
    by_now = f"{quote(examples.label_known)}::timestamptz <= {literal(now)}"
    return not run(con, f"select 1 from {relation} where {since} and {by_now} limit 1")


def _labelled(examples: Table, relation: str, now: datetime) -> str:
    """The examples' labels known by now, in the columns of the outcomes but `source`."""
    items = [f"{quote(name)} as {quote(column_of(name))}" for name in examples.key]
    there = [f"{quote(name)} is not null" for name in (*examples.key, examples.label or "")]
    moment, known = "null::timestamptz", literal(now)
    if examples.time and examples.label_known:
        moment, known = f"{quote(examples.time)}::timestamptz", f"{quote(examples.label_known)}::timestamptz"
        there += [f"{quote(examples.time)} is not null", f"{known} <= {literal(now)}"]
    items += [f"{moment} as moment", "null::varchar as prediction", f"{quote(examples.label or '')} as outcome"]
    return f"(select {', '.join(items)}, {known} as known from {relation} where {' and '.join(there)})"


class _Added(NamedTuple):
    """How many rows reached which version of the lake's table (-1: there is none), and the moments they are about."""

    rows: int
    delta: int
    first: datetime | None = None
    last: datetime | None = None


def _add(con: DuckDBPyConnection, store: Store, model: Model, examples: Table, rows: str, source: str) -> _Added:
    """Append what is not there yet."""
    path = path_of(model.name)
    identity = ", ".join(_identity(examples))
    columns = describe(con, f"select * from {rows}")
    version = store.lake.version(path)
    files = store.lake.files(path) if version is not None else []
    old = relation_of_files(files, columns | {"source": "VARCHAR"})
    if examples.label_known or source == API:
        new = f"select {identity}, outcome, known from {rows} except select {identity}, outcome, known from {old}"
    else:  # what is known now says nothing new where the current outcome is the same
        there = _current(old, examples)
        fresh = f"select {identity}, outcome from {rows} except select {identity}, outcome from {there}"
        new = f"select n.*, r.known from ({fresh}) as n cross join (select any_value(known) as known from {rows}) as r"
    new = f"select *, {literal(source)} as source from ({new}) order by known, {identity}, outcome"
    run(con, f"create or replace temp table _rondo_outcomes as {new}")
    moments = "case when count(*) = count(moment) then epoch_us({}(moment)) end"
    [(count, *about)] = run(
        con, f"select count(*), {moments.format('min')}, {moments.format('max')} from _rondo_outcomes"
    )
    if not count:
        return _Added(0, -1 if version is None else version)
    written = store.lake.write(path, to_batches(con, "select * from _rondo_outcomes"), mode="append")
    first, last = (datetime.fromtimestamp(us / 1e6, UTC) if isinstance(us, int) else None for us in about)
    return _Added(written.rows, written.version, first, last)


# --- from the inbox -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Placed:
    """A reported outcome with what it is about, values as text. `prediction` is its id where the key is not whole."""

    reported: Reported
    key: tuple[str | None, ...]
    moment: datetime | None
    prediction: str | None


def _identified(
    con: DuckDBPyConnection,
    store: Store,
    model: Model,
    examples: Table,
    reported: Sequence[Reported],
    identify: Callable[[Collection[str]], Mapping[str, Identified]],
) -> tuple[list[_Placed], list[str]]:
    """The outcomes whose question is known, and the ids that no prediction of this model bears."""
    ids = {each.id for each in reported if each.id}
    there = _predictions(con, store, model, examples, ids)
    there |= identify(ids - there.keys()) if ids - there.keys() else {}
    found: list[_Placed] = []
    lost: list[str] = []
    for each in reported:
        about: Identified | None = (model.name, each.key or {}, each.moment)
        if each.id is not None:
            about = there.get(each.id)
        if about is not None and about[0] == model.name:
            found.append(_placed(each, examples, about[1], about[2]))
        elif about is None and each.id is not None:
            lost.append(each.id)
    return found, lost


def _predictions(
    con: DuckDBPyConnection, store: Store, model: Model, examples: Table, ids: set[str]
) -> dict[str, Identified]:
    """What the lake's predictions with these ids were about."""
    path = f"predictions/{model.name}"
    if not ids or store.lake.version(path) is None:
        return {}
    import pyarrow as pa

    names = set(store.lake.schema(path).names)
    columns = [next((n for n in (f"key.{name}", name) if n in names), None) for name in examples.key]
    items = ", ".join(["id", "moment", *("null" if n is None else f"p.{quote(n)}::varchar" for n in columns)])
    con.register("_rondo_ids", pa.table({"id": pa.array(sorted(ids), pa.string())}))
    files = relation_of_files(store.lake.files(path), {"id": "VARCHAR", "moment": "TIMESTAMP WITH TIME ZONE"})
    rows = run(con, f"select {items} from {files} as p semi join _rondo_ids using (id)")
    return {
        str(identity): (model.name, dict(zip(examples.key, key, strict=True)), moment if _is_moment(moment) else None)
        for identity, moment, *key in rows
    }


def _is_moment(value: object) -> TypeGuard[datetime]:
    return isinstance(value, datetime)


def _placed(each: Reported, examples: Table, key: Mapping[str, object], moment: datetime | None) -> _Placed:
    asked = moment if examples.time else None
    parts = tuple(_text(key.get(name, asked if name == examples.time else None)) for name in examples.key)
    whole = bool(parts) and None not in parts
    return _Placed(each, parts if whole else (None,) * len(parts), asked, None if whole else each.id)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _lay_out(
    con: DuckDBPyConnection, examples: Table, types: Mapping[str, str], found: Sequence[_Placed]
) -> list[Reported]:
    """The outcomes in their types, in a table `_rondo_reported`; those that do not fit are given back."""
    import pyarrow as pa

    stamp = pa.timestamp("us", "UTC")
    keys = {f"k{n}": pa.array([each.key[n] for each in found], pa.string()) for n in range(len(examples.key))}
    table = pa.table(
        {
            "n": pa.array(range(len(found)), pa.int64()),
            **keys,
            "moment": pa.array([each.moment for each in found], stamp),
            "prediction": pa.array([each.prediction for each in found], pa.string()),
            "outcome": pa.array([_text(each.reported.outcome) for each in found], pa.string()),
            "known": pa.array([each.reported.known.astimezone(UTC) for each in found], stamp),
        }
    )
    con.register("_rondo_inbox", table)
    cast = {f"k{n}": f"try_cast(k{n} as {types[name]})" for n, name in enumerate(examples.key)}
    cast["outcome"] = _outcome_of("outcome", types[examples.label or ""])
    fits = " and ".join([f"({name} is null or {value} is not null)" for name, value in cast.items()])
    timed = "moment is not null" if examples.time else "true"
    keyed = " and ".join(["true", *(f"{name} is not null" for name in keys)]) if keys else "false"
    fits = f"({fits} and {timed} and (prediction is not null or ({keyed})))"
    named = [f"{cast[f'k{n}']} as {quote(column_of(name))}" for n, name in enumerate(examples.key)]
    items = ", ".join([*named, "moment", "prediction", f"{cast['outcome']} as outcome", "known"])
    run(con, f"create or replace temp table _rondo_reported as select {items} from _rondo_inbox where {fits}")
    return [found[int(str(n))].reported for (n,) in run(con, f"select n from _rondo_inbox where not {fits} order by n")]


def _outcome_of(text: str, kind: str) -> str:
    """A reported outcome in the label's type; true and false of a numeric label are 1 and 0."""
    plain = f"try_cast({text} as {kind})"
    if kind_of(kind) != "number":
        return plain
    return f"coalesce({plain}, case {text} when 'true' then 1 when 'false' then 0 end::{kind})"
