"""Tables: a SQL file each, whose leading comment declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rondo.errors import DeclarationError
from rondo.project.checks import ON_FAIL, Check, OnFail, parse_check
from rondo.project.durations import seconds
from rondo.project.headers import Header, parse_header

TABLE_KEYS = (
    "summary",
    "owner",
    "key",
    "time",
    "known",
    "keep",
    "fresh",
    "checks",
    "on_fail",
    "personal",
    "incremental",
)
EXAMPLES_KEYS = ("label", "label_known", "label_delay", "inputs", "derive")
NAME = re.compile(r"[^\W\d]\w*")
_OPENING = re.compile(r"\s*/\*\s*---[ \t]*\n")
_HEADER = re.compile(_OPENING.pattern + r"(?P<yaml>.*?)\n?\s*---\s*\*/", re.DOTALL)


@dataclass(frozen=True)
class Table:
    """A table's declaration. With a `label` it is an examples table."""

    name: str
    sql: str
    file: str
    sql_line: int = 1  # the file's line on which `sql` begins
    summary: str | None = None
    owner: str | None = None
    key: tuple[str, ...] = ()
    time: str | None = None
    known: str | None = None
    keep_s: int | None = None
    fresh_s: int | None = None
    checks: tuple[Check, ...] = ()
    on_fail: OnFail = "block"
    personal: tuple[tuple[str, str], ...] = ()
    incremental: str | None = None
    label: str | None = None
    label_known: str | None = None
    label_delay_s: int | None = None
    inputs: tuple[str, ...] | None = None
    derive: tuple[tuple[str, str], ...] = ()
    derive_line: int | None = None

    @property
    def is_examples(self) -> bool:
        """Whether it names what is predicted."""
        return self.label is not None


def read_table(path: Path, root: Path) -> Table:
    """The declaration in one SQL file."""
    file = path.relative_to(root).as_posix()
    if not NAME.fullmatch(path.stem):
        raise DeclarationError(f"{file} is not a name for a table.", next_step="Use letters, digits and _.", file=file)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DeclarationError(f"{file} is not UTF-8.", next_step="Save it as UTF-8.", file=file) from error
    found = _HEADER.match(text)
    if found is None and _OPENING.match(text):
        raise DeclarationError(
            f"The header of {file} never ends.", next_step="End it with a line `--- */`.", file=file, line=1
        )
    if found is None:
        header, sql, line = Header({}, {}, file, 1), text, 1
    else:
        header = parse_header(found["yaml"], file, 1 + text.count("\n", 0, found.start("yaml")))
        sql, line = text[found.end() :], 1 + text.count("\n", 0, found.end())
    if not re.sub(r"--[^\n]*|/\*.*?\*/|[\s;]", "", sql, flags=re.DOTALL):
        raise DeclarationError(
            f"{file} has no query.", next_step="Write a select below the header.", file=file, line=line
        )
    return _table(path.stem, header, sql, line)


def _table(name: str, header: Header, sql: str, sql_line: int) -> Table:
    header.refuse_unknown((*TABLE_KEYS, *EXAMPLES_KEYS))
    on_fail = header.text("on_fail") or "block"
    if on_fail not in ON_FAIL:
        raise header.wrong("on_fail", f"is {on_fail!r}; it may be: {', '.join(ON_FAIL)}", "Use one of these.")
    table = Table(
        name=name,
        sql=sql.strip().rstrip(";"),
        file=header.file,
        sql_line=sql_line + sql.count("\n", 0, len(sql) - len(sql.lstrip())),
        summary=header.text("summary"),
        owner=header.text("owner"),
        key=header.texts("key") or (),
        time=header.text("time"),
        known=header.text("known"),
        keep_s=_length(header, "keep"),
        fresh_s=_length(header, "fresh"),
        checks=_checks(header),
        on_fail=on_fail,
        personal=_pairs(header, "personal"),
        incremental=header.text("incremental"),
        label=header.text("label"),
        label_known=header.text("label_known"),
        label_delay_s=_length(header, "label_delay"),
        inputs=header.texts("inputs"),
        derive=_pairs(header, "derive"),
        derive_line=header.lines.get("derive"),
    )
    _refuse_contradictions(table, header)
    return table


def _refuse_contradictions(table: Table, header: Header) -> None:
    for name, columns in (("key", table.key), ("inputs", table.inputs or ())):
        if "" in columns or len(set(columns)) != len(columns):
            raise header.wrong(name, f"is {list(columns)}, not names of columns, each once", "Name each column once.")
    if table.incremental:
        raise header.wrong("incremental", "is not supported yet", "Take it out: the table is rebuilt whole.")
    for check, line in zip(table.checks, header.item_lines.get("checks", ()), strict=False):
        if check.kind == "unique" and not check.columns and not table.key:
            raise DeclarationError(
                f"{table.file}: unique without columns means the key, and there is none.",
                next_step="Declare key:, or write unique: [columns].",
                file=table.file,
                line=line,
            )
    if table.keep_s is not None and not table.time:
        raise header.wrong("keep", "needs a time", "Declare time:, the column that says when a row happened.")
    if table.known and not table.time and not table.is_examples:
        raise header.wrong("known", "needs a time", "Declare time:, the column that says when a row happened.")
    if not table.is_examples:
        for name in EXAMPLES_KEYS[1:]:
            if name in header.values:
                raise header.wrong(name, "belongs to an examples table, and there is no label", "Declare label:.")
        return
    if table.time and not table.label_known:
        raise header.wrong(
            "label",
            "has no label_known, though the table has a time",
            "Declare label_known:, the column that says when the label became known.",
        )
    if table.time and table.inputs is None:
        raise header.wrong(
            "time", "asks for inputs", "Declare inputs: [columns] that a request brings; with time they must be named."
        )
    if table.label_known and not table.time:
        raise header.wrong("label_known", "needs a time", "Declare time:, the moment the question is asked.")
    for what, column in (("the label", table.label), ("label_known", table.label_known)):
        if column is not None and column in (table.inputs or ()):
            raise header.wrong("inputs", f"holds {what} {column!r}, which no request can bring", "Take it out.")


def _checks(header: Header) -> tuple[Check, ...]:
    written = header.values.get("checks")
    if written is None:
        return ()
    if not isinstance(written, list):
        raise header.wrong("checks", f"is {written!r}, not a list", "Write one check a line, each with a dash.")
    lines = header.item_lines.get("checks", ())
    checks = []
    for number, item in enumerate(written):
        try:
            checks.append(parse_check(item))
        except DeclarationError as error:
            line = lines[number] if number < len(lines) else header.lines["checks"]
            raise DeclarationError(error.message, next_step=error.next_step, file=header.file, line=line) from error
    return tuple(checks)


def _pairs(header: Header, name: str) -> tuple[tuple[str, str], ...]:
    written = header.values.get(name)
    if written is None:
        return ()
    if not isinstance(written, Mapping) or not all(isinstance(v, str | int | float) for v in written.values()):
        raise header.wrong(
            name, f"is {written!r}, not names with values", f"Write {name}: with `column: …` lines below it."
        )
    return tuple((str(key), str(value)) for key, value in written.items())


def _length(header: Header, name: str) -> int | None:
    written = header.text(name)
    if written is None:
        return None
    try:
        return seconds(written, name)
    except DeclarationError as error:
        raise DeclarationError(
            error.message, next_step=error.next_step, file=header.file, line=header.lines[name]
        ) from error
