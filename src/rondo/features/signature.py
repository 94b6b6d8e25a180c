"""The signature of a model: what a request brings, what is looked up, what is derived, what is fed.

It is made once from the declarations (`assembly`), frozen with the dataset, packed with the version, and read by the
as-of join offline and by the request path online, so that both follow one definition.
"""

from __future__ import annotations

from typing import Literal

import msgspec

NUMBERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "FLOAT", "DOUBLE",
)  # fmt: skip


def kind_of(sql_type: str) -> Literal["number", "boolean", "text", "moment", "other"]:
    """What a SQL type is to a model: number, boolean and text are fed, a moment is only derived from."""
    name = sql_type.upper()
    if name in NUMBERS or name.startswith("DECIMAL"):
        return "number"
    if name == "BOOLEAN":
        return "boolean"
    if name in ("VARCHAR", "UUID") or name.startswith("ENUM"):
        return "text"
    if name == "DATE" or name.startswith("TIMESTAMP"):
        return "moment"
    return "other"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column and its SQL type (DuckDB's name)."""

    name: str
    type: str


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of a table looked up for an example.

    `on` pairs each column of the table's key with a column of the examples. `definition` is the table's pinned
    fingerprint. With `time`, the row is chosen as of the example's moment by `known`, and with `keep_s` a row whose
    time is older than that many seconds reads as null (inclusive). Without `time` it joins on its key.
    """

    table: str
    prefix: str
    definition: str
    on: tuple[tuple[str, str], ...]
    key_types: tuple[str, ...]
    columns: tuple[Column, ...]
    time: str | None = None
    known: str | None = None
    keep_s: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its columns in the dataset: `prefix.column`."""
        return tuple(f"{self.prefix}.{column.name}" for column in self.columns)

    @property
    def space(self) -> str:
        """Where its online values are published: by table and definition."""
        return f"{self.table}:{self.definition}"


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """A feature computed from inputs by scalar SQL."""

    name: str
    expression: str
    type: str


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a model asks and is fed.

    `key` and `time` identify an example and its moment (optional in a request, echoed); `inputs` come with a request;
    `carried` columns are in the dataset alone. `fed` are the dataset's columns that reach the model, in order.
    `classes` are the label's values in the order of scores (binary: negative, positive; empty for regression).
    """

    model: str
    examples: str
    task: Literal["binary", "multiclass", "regression"]
    timezone: str
    key: tuple[Column, ...]
    time: str | None
    inputs: tuple[Column, ...]
    carried: tuple[Column, ...]
    derived: tuple[Derived, ...]
    lookups: tuple[Lookup, ...]
    fed: tuple[Column, ...]
    label: Column
    label_known: str | None
    classes: tuple[str | int | float | bool, ...] = ()

    @property
    def request(self) -> tuple[Column, ...]:
        """Every field a request row may bring: inputs, look-up keys, key, in that order (time apart)."""
        known = {column.name: column for column in (*self.inputs, *self.carried, *self.key)}
        names = [c.name for c in self.inputs]
        names += [examples for lookup in self.lookups for _, examples in lookup.on]
        names += [c.name for c in self.key]
        return tuple(known[name] for name in dict.fromkeys(names) if name != self.time)


def class_name(value: str | int | float | bool) -> str:
    """A class as the name of its score: text as it is, true and false as JSON writes them, 1.0 as 1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
