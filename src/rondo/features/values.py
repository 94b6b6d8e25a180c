"""Values of look-ups as known at a moment: from the online store, or from the lake by the as-of join.

An online item holds the *steps* of one key: the row that answers as of publication, and those that take over when
they become known. So any moment from the first step's `known` on is answered exactly; a moment before it goes to the
lake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from rondo.errors import StoreError
from rondo.features.as_of import join, looked_up, steps
from rondo.features.request import taking
from rondo.features.signature import Column, Lookup
from rondo.sql.engine import literal, quote, run
from rondo.store.online import Online
from rondo.store.online_found import Found

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Value = object
Key = tuple[Value, ...]
Item = tuple[Value, ...] | None
"""What a look-up found: values in the order of its columns, None where nothing is known."""
LONGEST_KEY = 400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Values(Protocol):
    """Answers look-ups. One implementation reads the online store, one the lake."""

    def look_up(self, lookup: Lookup, keys: Sequence[Key | None], moments: Sequence[datetime | None]) -> list[Item]:
        """For each key and moment the values of `lookup.columns`, or None when nothing is known.

        A key of None has no value. `moments` are in UTC (None for a look-up without time).
        """
        ...


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 in UTC."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def encode_key(key: Key) -> bytes:
    """A key's bytes. Whole floats and whole numbers are one; long keys are hashed."""
    if float in map(type, key):
        key = tuple([int(v) if type(v) is float and v.is_integer() else v for v in key])
    data = _encode(key)
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


class Behind(Exception):
    """A moment before what is published online, which only the lake can answer, was asked by one who will not wait."""


class Together(Protocol):
    """Several look-ups as one: of online values all in one snapshot.

    Both raise Behind where the lake would have to answer and nobody will `wait`.
    """

    def of_row(self, keys: Sequence[Key | None], moment: datetime | None, *, wait: bool) -> list[Item]:
        """What each look-up finds for one row; `keys` has one a look-up."""
        ...

    def of_rows(
        self, keys: Sequence[Sequence[Key | None]], moments: Sequence[datetime | None], *, wait: bool
    ) -> list[list[Item]]:
        """The same for several rows, a list each."""
        ...


def together(values: Values, lookups: Sequence[Lookup]) -> Together:
    """Several look-ups as one."""
    return OnlineTogether(values, lookups) if isinstance(values, OnlineValues) else _OneByOne(values, lookups)


class _OneByOne:
    def __init__(self, values: Values, lookups: Sequence[Lookup]) -> None:
        self._values, self._lookups = values, lookups

    def of_row(self, keys: Sequence[Key | None], moment: datetime | None, *, wait: bool) -> list[Item]:
        return self.of_rows([keys], [moment], wait=wait)[0]

    def of_rows(
        self, keys: Sequence[Sequence[Key | None]], moments: Sequence[datetime | None], *, wait: bool
    ) -> list[list[Item]]:
        found = [
            self._values.look_up(lookup, [mine[place] for mine in keys], moments)
            for place, lookup in enumerate(self._lookups)
        ]
        return [[of_lookup[number] for of_lookup in found] for number in range(len(keys))]


class OnlineValues:
    """Look-ups in the online store, with the lake behind it for moments before what is published.

    Look-ups of a space that is not published go to the lake as well.
    """

    def __init__(self, online: Online, fallback: Values | None = None) -> None:
        self.online, self.fallback = online, fallback

    def look_up(self, lookup: Lookup, keys: Sequence[Key | None], moments: Sequence[datetime | None]) -> list[Item]:
        """See Values.look_up."""
        found = OnlineTogether(self, [lookup]).of_rows([(key,) for key in keys], moments, wait=True)
        return [each[0] for each in found]


class OnlineTogether:
    """Several look-ups in the online store; see Together."""

    def __init__(self, values: OnlineValues, lookups: Sequence[Lookup]) -> None:
        self._read, self._online, self._fallback = values.online.read, values.online, values.fallback
        self._lookups = tuple(_Published(lookup) for lookup in lookups)
        self._spaces = tuple(lookup.space for lookup in lookups)
        self._timed = any(lookup.time for lookup in lookups)

    def of_row(self, keys: Sequence[Key | None], moment: datetime | None, *, wait: bool) -> list[Item]:
        """See Together."""
        wanted: list[tuple[str, tuple[bytes, ...]]] = []
        for space, key in zip(self._spaces, keys, strict=True):  # a comprehension would take longer
            wanted.append((space, () if key is None else (encode_key(key),)))
        asked_us = microseconds(moment) if self._timed and moment is not None else 0
        out: list[Item] = []
        for lookup, key, (publication, items) in zip(self._lookups, keys, self._read(wanted), strict=True):
            found: Item = None
            if key is not None:
                if publication is None or publication != lookup.publication:
                    return self.of_rows([keys], [moment], wait=wait)[0]  # the rarer cases
                if (item := items[0]) is not None and (found := lookup.at(item, asked_us)) is _BEHIND:
                    return self.of_rows([keys], [moment], wait=wait)[0]
            out.append(found)
        return out

    def of_rows(
        self, keys: Sequence[Sequence[Key | None]], moments: Sequence[datetime | None], *, wait: bool
    ) -> list[list[Item]]:
        """See Together."""
        wanted = [
            (lookup.space, [b"" if mine[place] is None else encode_key(mine[place]) for mine in keys])  # type: ignore[arg-type]
            for place, lookup in enumerate(self._lookups)
        ]
        read, found, any_behind = self._read(wanted), [], False
        for number, (mine, moment) in enumerate(zip(keys, moments, strict=True)):
            out, behind = self._found(mine, 0 if moment is None else microseconds(moment), read, number)
            if behind is None:
                return self.of_rows(keys, moments, wait=wait)
            any_behind |= behind
            found.append(out)
        if any_behind:
            self._ask_behind(found, keys, moments, wait)
        return found

    def _found(
        self, keys: Sequence[Key | None], asked_us: int, read: Sequence[Found], number: int
    ) -> tuple[list[Item], bool | None]:
        """What the store gave for one row, out of what was read for all, and whether some of it is the lake's to say.

        None for that where another publication came meanwhile, and all is to be read again.
        """
        out: list[Item] = []
        behind = False
        for lookup, key, (publication, items) in zip(self._lookups, keys, read, strict=True):
            found: Item = None
            if key is not None:
                if publication is None:
                    found = _BEHIND
                elif publication != lookup.publication and not lookup.learn(self._online, publication):
                    return out, None
                elif (item := items[number]) is not None:
                    found = lookup.at(item, asked_us)
                if found is _BEHIND:
                    behind = True
            out.append(found)
        return out, behind

    def _ask_behind(
        self,
        found: list[list[Item]],
        keys: Sequence[Sequence[Key | None]],
        moments: Sequence[datetime | None],
        wait: bool,
    ) -> None:
        """Fills in what the lake knows."""
        if not wait:
            raise Behind
        for place, lookup in enumerate(each.lookup for each in self._lookups):
            behind = [number for number, out in enumerate(found) if out[place] is _BEHIND]
            if not behind:
                continue
            if self._fallback is None:
                raise StoreError(
                    f"The online values of {lookup.table} do not reach back to {moments[behind[0]]}.",
                    next_step="Run `rondo run` to publish them, or ask at the present moment.",
                )
            given = self._fallback.look_up(lookup, [keys[n][place] for n in behind], [moments[n] for n in behind])
            for number, values in zip(behind, given, strict=True):
                found[number][place] = values


class _Published:
    """A look-up, and how its columns stand in the publication that was read last."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup, self.space = lookup, lookup.space
        self.publication: bytes | None = None
        self._keep_us = None if lookup.keep_s is None else lookup.keep_s * 1_000_000
        self._timed = lookup.time is not None
        self._take: Callable[[Sequence[Value]], tuple[Value, ...]] = taking(())

    def learn(self, online: Online, publication: bytes) -> bool:
        """Reads what is published; False where that is another publication by now."""
        newest, meta = online.published(self.space) or (None, {})
        if newest != publication:
            return False
        published = meta["columns"]
        assert isinstance(published, list)
        wanted = [column.name for column in self.lookup.columns]
        if absent := [name for name in wanted if name not in published]:
            raise StoreError(
                f"The online values of {self.lookup.table} lack {absent[0]!r}.",
                next_step="Run `rondo run` to publish them.",
            )
        self._take = tuple if wanted == published else taking([published.index(name) for name in wanted])
        self.publication = publication
        return True

    def at(self, item: bytes, asked_us: int) -> Item:
        """What the item answers at this moment: None where nothing was known or all is too old."""
        whole, steps_ = _decode(item)
        if not self._timed:
            return self._take(steps_[0][2])
        for known, time, values in reversed(steps_):
            if known <= asked_us:
                old = self._keep_us is not None and time < asked_us - self._keep_us
                return None if old else self._take(values)
        return None if whole else _BEHIND


_BEHIND: Item = ("behind what is published",)


class LakeValues:
    """Look-ups by the as-of join in DuckDB, for batches and for moments of the past.

    `relations` maps a look-up's space to a relation of its table; `steady` names the spaces whose known follows time.
    """

    def __init__(self, con: DuckDBPyConnection, relations: Mapping[str, str], steady: Sequence[str] = ()) -> None:
        self._con = con
        self._relations = relations
        self._steady = frozenset(steady)

    def look_up(self, lookup: Lookup, keys: Sequence[Key | None], moments: Sequence[datetime | None]) -> list[Item]:
        """See Values.look_up."""
        import pyarrow as pa

        asked = [number for number, key in enumerate(keys) if key is not None]
        out: list[Item] = [None] * len(keys)
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
