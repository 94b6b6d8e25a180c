"""Values of look-ups as known at a moment: from the online store, or from the lake by the as-of join.

An online item holds the *steps* of one key: the row that answers as of publication, and those that take over when
they become known. So any moment from the first step's `known` on is answered exactly; a moment before it goes to the
lake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from rondo.errors import StoreError
from rondo.features.as_of import join, known_of, looked_up, steps
from rondo.features.signature import Column, Lookup
from rondo.sql.engine import literal, quote, run
from rondo.store.online import Online

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Value = object
Key = tuple[Value, ...]
LONGEST_KEY = 400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Values(Protocol):
    """Answers look-ups. One implementation reads the online store, one the lake."""

    def look_up(
        self, lookup: Lookup, keys: Sequence[Key | None], moments: Sequence[datetime | None]
    ) -> list[tuple[Value, ...] | None]:
        """For each key and moment the values of `lookup.columns`, or None when nothing is known.

        A key of None has no value. `moments` are in UTC (None for a look-up without time).
        """
        ...


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def encode_key(key: Key) -> bytes:
    """A key's bytes. Whole floats and whole numbers are one; long keys are hashed."""
    data = _encode([int(v) if isinstance(v, float) and v.is_integer() else v for v in key])
    return data if len(data) <= LONGEST_KEY else b"#" + hashlib.sha256(data).digest()


def encode_steps(found: Sequence[tuple[int, int, Sequence[Value]]], *, whole: bool) -> bytes:
    """One key's item: steps (known, time in microseconds, values) by rising known.

    `whole` says that nothing of this key was known before the first step.
    """
    return _encode([whole, [[known, time, list(values)] for known, time, values in found]])


def publication_query(lookup: Lookup, table: str, now: datetime, *, columns: Sequence[str]) -> str:
    """The steps to publish: the key's columns, `_known`, `_time`, `_first` (nothing before), `columns`; by key, known.

    A look-up without time has one row a key, with null `_known` and `_time`.
    """
    key = ", ".join(quote(column) for column, _ in lookup.on)
    chosen = "".join(f", {quote(name)}" for name in columns)
    if not lookup.time:
        return f"select {key}, null as _known, null as _time, true as _first{chosen} from {table} order by {key}"
    window = f"over (partition by {key} order by _known)"
    return (
        f"select {key}, _known, _time, lag(_known) {window} is null as _first{chosen} "
        f"from {steps(lookup, table, columns=columns)} "
        f"qualify coalesce(lead(_known) {window} > {literal(now)}, true) order by {key}, _known"
    )


class OnlineValues:
    """Look-ups in the online store, with the lake behind it for moments before what is published.

    `spaces_missing` are look-ups whose space is not published: they go to the lake as well.
    """

    def __init__(self, online: Online, fallback: Values | None = None) -> None:
        self._online = online
        self._fallback = fallback
        self._places: dict[tuple[str, tuple[str, ...]], tuple[object, tuple[int, ...]]] = {}

    def look_up(
        self, lookup: Lookup, keys: Sequence[Key | None], moments: Sequence[datetime | None]
    ) -> list[tuple[Value, ...] | None]:
        """See Values.look_up."""
        places = self._columns(lookup)
        out: list[tuple[Value, ...] | None] = [None] * len(keys)
        behind: list[int] = []
        for number, key in enumerate(keys):
            if key is None:
                continue
            if places is None:
                behind.append(number)
                continue
            item = self._online.get(lookup.space, encode_key(key))
            if item is None:
                continue
            answered, values = _at(item, lookup, moments[number])
            if not answered:
                behind.append(number)
            elif values is not None:
                out[number] = tuple(values[place] for place in places)
        if behind:
            if self._fallback is None:
                raise StoreError(
                    f"The online values of {lookup.table} do not reach back to {moments[behind[0]]}.",
                    next_step="Run `rondo run` to publish them, or ask at the present moment.",
                )
            found = self._fallback.look_up(lookup, [keys[n] for n in behind], [moments[n] for n in behind])
            for number, given in zip(behind, found, strict=True):
                out[number] = given
        return out

    def _columns(self, lookup: Lookup) -> tuple[int, ...] | None:
        meta = self._online.meta(lookup.space)
        if meta is None:
            return None
        published = meta["columns"]
        assert isinstance(published, list)
        wanted = (lookup.space, tuple(c.name for c in lookup.columns))
        seen = self._places.get(wanted)
        if seen is None or seen[0] != published:
            if absent := [name for name in wanted[1] if name not in published]:
                raise StoreError(
                    f"The online values of {lookup.table} lack {absent[0]!r}.",
                    next_step="Run `rondo run` to publish them.",
                )
            seen = (published, tuple(published.index(name) for name in wanted[1]))
            self._places[wanted] = seen
        return seen[1]


def _at(item: bytes, lookup: Lookup, moment: datetime | None) -> tuple[bool, list[Value] | None]:
    """Whether the item answers at this moment, and the values it answers with (None: none known, or too old)."""
    whole, found = _decode(item)
    if not lookup.time:
        return True, found[0][2]
    assert moment is not None
    asked = microseconds(moment)
    for known, time, values in reversed(found):
        if known <= asked:
            old = lookup.keep_s is not None and time < asked - lookup.keep_s * 1_000_000
            return True, None if old else values
    return bool(whole), None


class LakeValues:
    """Look-ups by the as-of join in DuckDB, for batches and for moments of the past.

    `relations` maps a look-up's space to a relation of its table; `steady` names the spaces whose known follows time.
    """

    def __init__(self, con: DuckDBPyConnection, relations: Mapping[str, str], steady: Sequence[str] = ()) -> None:
        self._con = con
        self._relations = relations
        self._steady = frozenset(steady)

    def look_up(
        self, lookup: Lookup, keys: Sequence[Key | None], moments: Sequence[datetime | None]
    ) -> list[tuple[Value, ...] | None]:
        """See Values.look_up."""
        import pyarrow as pa

        asked = [number for number, key in enumerate(keys) if key is not None]
        out: list[tuple[Value, ...] | None] = [None] * len(keys)
        if not asked:
            return out
        columns: dict[str, Any] = {"_n": pa.array(asked, pa.int64())}
        for place, (_, name) in enumerate(lookup.on):
            columns[name] = pa.array([_key_of(keys[n])[place] for n in asked])
        if lookup.time:
            columns["_moment"] = pa.array([moments[n] for n in asked], pa.timestamp("us", tz="UTC"))
        spine = pa.table(columns)
        cursor = self._con.cursor()
        try:
            cursor.register("_rondo_asked", spine)
            relation = self._relations[lookup.space]
            items = ", ".join(["s._n", "l.rowid_ as _found", *looked_up(lookup, "l", "s._moment")])
            marked = f"(select *, true as rowid_ from {relation})"
            query = join(_marked(lookup), marked, "l", "s._moment", steady=lookup.space in self._steady)
            rows = run(cursor, f"select {items} from _rondo_asked as s {query}")
        finally:
            cursor.close()
        for number, found, *values in rows:
            if found:
                out[int(str(number))] = tuple(plain(value) for value in values)
        return out


def _key_of(key: Key | None) -> Key:
    assert key is not None
    return key


def _marked(lookup: Lookup) -> Lookup:
    """The look-up with a column that tells a row found from none."""
    return msgspec.structs.replace(lookup, columns=(*lookup.columns, Column(name="rowid_", type="BOOLEAN")))


def plain(value: object) -> Value:
    """A DuckDB value as online items hold it: decimals as floats, moments in UTC."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, date):
        return value.isoformat()
    return value


__all__ = [
    "Key",
    "LakeValues",
    "OnlineValues",
    "Values",
    "encode_key",
    "encode_steps",
    "known_of",
    "plain",
    "publication_query",
]
