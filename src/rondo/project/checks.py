"""Checks: what every row, or a whole table, must meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rondo.errors import DeclarationError

CheckKind = Literal["condition", "unique", "not_null", "row_count", "in_table", "distribution"]
OnFail = Literal["block", "quarantine", "warn"]
ON_FAIL: tuple[OnFail, ...] = ("block", "quarantine", "warn")
NAMED: Mapping[str, str] = {
    "unique": "no two rows share these columns (bare: the table's key); every row of a doubled group fails",
    "not_null": "these columns hold a value in every row",
    "row_count": "the table has at least `min` and at most `max` rows",
    "in_table": "each value that is not null stands in the column named: {column: table.column}",
    "distribution": "the population stability index against the last good version is at most: {column: 0.2}",
}


@dataclass(frozen=True)
class Check:
    """One rule. `text` is how it was written and how every report names it."""

    kind: CheckKind
    text: str
    condition: str | None = None
    columns: tuple[str, ...] = ()
    references: tuple[tuple[str, str, str], ...] = ()  # (column, table, table's column)
    minimum: int | None = None
    maximum: int | None = None
    limits: tuple[tuple[str, float], ...] = ()  # (column, greatest index)

    @property
    def of_rows(self) -> bool:
        """Whether single rows fail it (a whole-table check has none to set aside)."""
        return self.kind not in ("row_count", "distribution")


def unique(*columns: str) -> Check:
    """No two rows share `columns`; without any, the key."""
    _refuse_doubled("unique", columns)
    return Check("unique", f"unique: [{', '.join(columns)}]" if columns else "unique", columns=columns)


def not_null(*columns: str) -> Check:
    """`columns` hold a value in every row."""
    if not columns:
        raise DeclarationError("not_null names no column.", next_step="Name the columns: not_null: [origin].")
    _refuse_doubled("not_null", columns)
    return Check("not_null", f"not_null: [{', '.join(columns)}]", columns=columns)


def _refuse_doubled(name: str, columns: Sequence[str]) -> None:
    for column in columns:
        if columns.count(column) > 1:
            raise DeclarationError(f"{name} names {column!r} twice.", next_step="Name each column once.")


def row_count(*, min: int | None = None, max: int | None = None) -> Check:  # noqa: A002 - the words of the header
    """The table has between `min` and `max` rows, both inclusive."""
    if min is None and max is None:
        raise DeclarationError("row_count has neither min nor max.", next_step="Write row_count: {min: 1}.")
    for name, bound in (("min", min), ("max", max)):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int) or bound < 0):
            raise DeclarationError(
                f"row_count {name} is {bound!r}, not a number of rows.", next_step="Write a whole number."
            )
    if min is not None and max is not None and min > max:
        raise DeclarationError(
            f"row_count: no number of rows is at least {min} and at most {max}.", next_step="Write the lesser as min."
        )
    bounds = ", ".join(f"{name}: {bound}" for name, bound in (("min", min), ("max", max)) if bound is not None)
    return Check("row_count", f"row_count: {{{bounds}}}", minimum=min, maximum=max)


def in_table(**references: str) -> Check:
    """Each value of a column stands in another table's column: `in_table(customer="customers.customer")`."""
    parsed = []
    for column, target in references.items():
        table, dot, other = str(target).partition(".")
        if not (table and dot and other):
            raise DeclarationError(
                f"in_table says {column}: {target!r}, which names no table's column.",
                next_step="Write in_table: {customer: customers.customer}.",
            )
        parsed.append((column, table, other))
    if not parsed:
        raise DeclarationError("in_table names no column.", next_step="Write in_table: {customer: customers.customer}.")
    text = ", ".join(f"{column}: {target}" for column, target in references.items())
    return Check("in_table", f"in_table: {{{text}}}", references=tuple(parsed))


def distribution(**limits: float) -> Check:
    """The population stability index of a column against the last good version is at most its limit."""
    if not limits or any(isinstance(v, bool) or not isinstance(v, int | float) or not v > 0 for v in limits.values()):
        raise DeclarationError(
            "distribution wants a limit above 0 for each column.", next_step="Write distribution: {price: 0.2}."
        )
    text = ", ".join(f"{column}: {limit:g}" for column, limit in limits.items())
    return Check("distribution", f"distribution: {{{text}}}", limits=tuple((c, float(v)) for c, v in limits.items()))


def parse_check(written: object) -> Check:
    """A check as a header or a source writes it: a condition, a bare name, or one name with its arguments."""
    if isinstance(written, Check):
        return written
    if isinstance(written, str) and written.strip():
        if written.strip() == "unique":
            return unique()
        if written.strip() in NAMED:
            raise DeclarationError(
                f"The check {written.strip()!r} wants arguments: {NAMED[written.strip()]}.",
                next_step=f"Write {written.strip()}: … with its columns.",
            )
        return Check("condition", written.strip(), condition=written.strip())
    if isinstance(written, Mapping) and len(written) == 1:
        name, arguments = next(iter(written.items()))
        return _named(str(name), arguments)
    raise DeclarationError(
        f"{written!r} is not a check.",
        next_step=f"Write a SQL condition, or one of: {', '.join(NAMED)}.",
    )


def _named(name: str, arguments: object) -> Check:
    if name in ("unique", "not_null"):
        columns = [arguments] if isinstance(arguments, str) else arguments
        if not isinstance(columns, Sequence) or not all(isinstance(c, str) and c for c in columns):
            raise DeclarationError(
                f"{name} wants column names, not {arguments!r}.", next_step=f"Write {name}: [origin]."
            )
        return unique(*columns) if name == "unique" else not_null(*columns)
    if name not in NAMED:
        raise DeclarationError(
            f"There is no check {name!r}; there are: {', '.join(NAMED)}, and any SQL condition.",
            next_step="Use one of these, or write the condition as text in quotes.",
        )
    if not isinstance(arguments, Mapping):
        raise DeclarationError(
            f"{name} wants {{…}}, not {arguments!r}: {NAMED[name]}.", next_step=f"Write {name}: {{…}}."
        )
    words = {str(key): value for key, value in arguments.items()}
    if name == "in_table":
        return in_table(**words)
    if name == "distribution":
        return distribution(**words)
    if unknown := set(words) - {"min", "max"}:
        raise DeclarationError(
            f"row_count knows min and max, not {sorted(unknown)[0]!r}.", next_step="Write row_count: {min: 1}."
        )
    return row_count(**words)
