"""Which Arrow columns the lake takes, and as what: a value is stored as it is, or refused by its column's name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rondo.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_DAY, LAST_DAY = -719162, 2932896
"""0001-01-01 and 9999-12-31 as days since 1970: what Delta's statistics and Python's datetime can hold."""


def stored_schema(schema: pa.Schema, existing: pa.Schema | None = None) -> pa.Schema:
    """What the lake stores for `schema`: narrow, unsigned and encoded types widened, columns of a table kept in type.

    With `existing`, a column there keeps its type and takes only values that fit without loss. Raises StoreError
    naming the column for types that Delta has no word for, doubled names, and a change of type.
    """
    import pyarrow as pa

    if not schema.names:
        raise StoreError("A table needs at least one column.", next_step="Select a column.")
    seen: dict[str, str] = {}
    for name in schema.names:
        if (twin := seen.setdefault(name.lower(), name)) is not name:
            raise StoreError(
                f"Columns {twin!r} and {name!r} differ at most in case; the lake cannot tell them apart.",
                next_step="Rename one of them.",
                facts={"columns": [twin, name]},
            )
    fields = []
    for field in schema:
        fitted = stored_type(field.type, field.name)
        before = existing.field(field.name).type if existing is not None and field.name in existing.names else fitted
        if not before.equals(fitted) and not _widens(fitted, before):
            raise StoreError(
                f"Column {field.name!r} is {fitted} here and {before} in the table.",
                next_step=f"Cast {field.name!r} to {before}, or overwrite the table.",
                facts={"column": field.name, "is": str(fitted), "was": str(before)},
            )
        fields.append(pa.field(field.name, before))
    return pa.schema(fields)


def stored_type(kind: pa.DataType, column: str) -> pa.DataType:
    """The type that `kind` is stored as, losing nothing. Raises StoreError naming `column` where there is none."""
    import pyarrow as pa

    t = pa.types
    widened = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.float16(): pa.float32()}
    if kind in widened:
        return widened[kind]
    if t.is_uint64(kind):
        return pa.decimal128(20, 0)
    if isinstance(kind, pa.BaseExtensionType):
        return stored_type(kind.storage_type, column)
    if t.is_dictionary(kind):
        return stored_type(kind.value_type, column)
    if t.is_large_string(kind) or t.is_string_view(kind):
        return pa.string()
    if t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return pa.binary()
    if t.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz is not None else None)
    if t.is_date64(kind):
        return pa.date32()
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind) or t.is_list_view(kind):
        return pa.list_(pa.field("element", stored_type(kind.value_type, column)))
    if t.is_struct(kind) and kind.num_fields:
        return pa.struct([pa.field(part.name, stored_type(part.type, column)) for part in kind])
    if t.is_map(kind):
        return pa.map_(stored_type(kind.key_type, column), stored_type(kind.item_type, column))
    if (
        t.is_boolean(kind)
        or t.is_signed_integer(kind)
        or t.is_floating(kind)
        or t.is_string(kind)
        or t.is_binary(kind)
        or t.is_date32(kind)
        or t.is_decimal128(kind)
    ):
        return kind
    raise StoreError(
        f"Column {column!r} is of type {kind}, which the lake cannot store.",
        next_step=_advice(kind, column),
        facts={"column": column, "is": str(kind)},
    )


def stored_batches(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The batches with their columns as `schema` stores them. Raises StoreError naming a column whose value is lost."""
    import pyarrow as pa

    for batch in batches:
        columns = [_stored(column, field) for column, field in zip(batch.columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _stored(column: pa.Array, field: pa.Field) -> pa.Array:
    import pyarrow as pa

    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    try:
        cast = column if column.type.equals(field.type) else column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise StoreError(
            f"Column {field.name!r} holds a value that does not fit {field.type}: {error}.",
            next_step=f"Cast {field.name!r} to a type that holds all its values.",
            facts={"column": field.name},
        ) from error
    if pa.types.is_date(cast.type) or pa.types.is_timestamp(cast.type):
        _check_calendar(cast, field.name)
    return cast


def _check_calendar(column: pa.Array, name: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    days = pa.types.is_date(column.type)
    ends = pc.min_max(column.view(pa.int32() if days else pa.int64())).as_py()
    unit = 1 if days else 86_400_000_000
    if ends["min"] is not None and (ends["min"] < FIRST_DAY * unit or ends["max"] >= (LAST_DAY + 1) * unit):
        raise StoreError(
            f"Column {name!r} holds a moment outside the years 1 to 9999 (infinity is one).",
            next_step=f"Write null where {name!r} has no moment.",
            facts={"column": name},
        )


def _widens(narrow: pa.DataType, wide: pa.DataType) -> bool:
    """Whether every value of one type is a value of the other. Null columns of any type are not: they name a type."""
    import pyarrow as pa

    t = pa.types
    if t.is_signed_integer(narrow) and t.is_signed_integer(wide):
        return bool(narrow.bit_width < wide.bit_width)
    if t.is_signed_integer(narrow) and t.is_float64(wide):
        return bool(narrow.bit_width <= 32)
    if t.is_signed_integer(narrow) and t.is_decimal(wide):
        return bool(wide.precision - wide.scale >= len(str(2 ** (narrow.bit_width - 1))))
    if t.is_decimal(narrow) and t.is_decimal(wide):
        whole = wide.precision - wide.scale >= narrow.precision - narrow.scale
        return bool(whole and wide.scale >= narrow.scale)
    return bool(t.is_float32(narrow) and t.is_float64(wide))


def _advice(kind: pa.DataType, column: str) -> str:
    import pyarrow as pa

    if pa.types.is_null(kind):
        return f"Say which type the empty column is: null::double as {column}."
    if pa.types.is_time(kind):
        return f"Store a moment, or the clock as text: {column}::varchar."
    if pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return f"Store a number: epoch({column}) gives seconds."
    return f"Cast {column} to text or to a number."
