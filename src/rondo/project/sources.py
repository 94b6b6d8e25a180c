"""Sources: where rows come from."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rondo.errors import DeclarationError
from rondo.project.checks import ON_FAIL, Check, OnFail, parse_check
from rondo.project.durations import seconds

FORMATS = ("csv", "parquet", "jsonl")


@dataclass(frozen=True)
class Files:
    """Files of a pattern below the project: CSV, Parquet or JSON lines, plain, gzipped or zipped."""

    pattern: str
    format: str | None = None
    null: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str | None = None
    header: bool = True
    columns: tuple[str, ...] = ()
    types: tuple[tuple[str, str], ...] = ()
    skip: int = 0

    @property
    def address(self) -> str:
        """Where the rows come from, for lineage."""
        return self.pattern


@dataclass(frozen=True)
class Source:
    """A reader of rows with what is declared of them; its name is the variable it stands in.

    `time` and `known` are SQL expressions over a row; `known="always"` is a registry without history.
    """

    reader: Files
    key: tuple[str, ...] = ()
    time: str | None = None
    known: str | None = None
    owner: str | None = None
    summary: str | None = None
    checks: tuple[Check, ...] = ()
    on_fail: OnFail = "block"
    fresh_s: int | None = None
    every_s: int | None = None
    personal: tuple[tuple[str, str], ...] = ()
    name: str = ""
    file: str = "sources.py"
    line: int | None = None

    def __init__(
        self,
        reader: Files,
        *,
        key: str | Sequence[str] = (),
        time: str | None = None,
        known: str | None = None,
        owner: str | None = None,
        summary: str | None = None,
        checks: str | Iterable[object] = (),
        on_fail: OnFail = "block",
        fresh: str | None = None,
        every: str | None = None,
        personal: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(reader, Files):
            raise DeclarationError(
                f"A source's first argument is a reader, not {reader!r}.",
                next_step='Write rd.Source(rd.files("data/*.csv")).',
            )
        if on_fail not in ON_FAIL:
            raise DeclarationError(
                f"on_fail is {on_fail!r}; it may be: {', '.join(ON_FAIL)}.", next_step="Use one of these."
            )
        for what, expression in (("time", time), ("known", known)):
            if expression is not None and (not isinstance(expression, str) or not expression.strip()):
                raise DeclarationError(
                    f"{what} is {expression!r}, not SQL over a row.", next_step=f'Write {what}="a column or more".'
                )
        keyed = names(key, "key")
        checked = tuple(parse_check(check) for check in ([checks] if isinstance(checks, str) else checks))
        if not keyed and any(check.kind == "unique" and not check.columns for check in checked):
            raise DeclarationError(
                "unique without columns means the key, and there is no key.",
                next_step="Declare key=…, or write rd.unique(columns).",
            )
        values: dict[str, object] = {
            "reader": reader,
            "key": keyed,
            "time": time,
            "known": known,
            "owner": owner,
            "summary": summary,
            "checks": checked,
            "on_fail": on_fail,
            "fresh_s": None if fresh is None else seconds(fresh, "fresh"),
            "every_s": None if every is None else seconds(every, "every"),
            "personal": tuple(sorted((personal or {}).items())),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)


def names(value: str | Sequence[str], what: str) -> tuple[str, ...]:
    """One name or several as a tuple, each once; raises DeclarationError otherwise."""
    found = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(name, str) and name for name in found) or len(set(found)) != len(found):
        raise DeclarationError(
            f"{what} is {value!r}, not names of columns, each once.", next_step="Write one name or a list."
        )
    return found


def files(
    pattern: str,
    *,
    format: str | None = None,  # noqa: A002 - the field's word
    null: str | Sequence[str] = (),
    encoding: str = "utf-8",
    delimiter: str | None = None,
    header: bool = True,
    columns: Sequence[str] = (),
    types: Mapping[str, str] | None = None,
    skip: int = 0,
) -> Files:
    """Files of a pattern (`data/flights*.csv`), relative to the project.

    `format` is csv, parquet or jsonl and follows from the ending when left out; `null` are texts that mean no value;
    `encoding` is any that Python names; `columns` names those of a file without a header; `types` pins columns to SQL
    types where the inferred ones would not do; `skip` leaves out lines before the header.
    """
    if not isinstance(pattern, str) or not pattern:
        raise DeclarationError(f"The pattern is {pattern!r}.", next_step='Write rd.files("data/*.csv").')
    if format is not None and format not in FORMATS:
        raise DeclarationError(f"format is {format!r}; it may be: {', '.join(FORMATS)}.", next_step="Use one of these.")
    if not isinstance(skip, int) or skip < 0:
        raise DeclarationError(f"skip is {skip!r}, not a number of lines.", next_step="Write a whole number.")
    try:
        codecs.lookup(encoding)
    except (LookupError, TypeError) as error:
        raise DeclarationError(
            f"encoding is {encoding!r}, which Python does not know.", next_step='Write e.g. "cp949" or "latin-1".'
        ) from error
    return Files(
        pattern=pattern,
        format=format,
        null=(null,) if isinstance(null, str) else tuple(null),
        encoding=encoding,
        delimiter=delimiter,
        header=header,
        columns=names(columns, "columns"),
        types=tuple(sorted((types or {}).items())),
        skip=skip,
    )
