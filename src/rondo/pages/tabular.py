"""Rows as files that other programs open: CSV, and workbooks whose cells keep their types."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from rondo.errors import NotFound

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

EXACT = 2**53
"""Whole numbers from here on are not all numbers of a spreadsheet: they are written as text."""
OLDEST = date(1900, 3, 1)
"""Spreadsheets count days from 1900, with a 29 February that never was: older ones are written as text."""
NAME_LENGTH, WIDEST = 31, 60
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FORBIDDEN = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]")


@dataclass(frozen=True)
class Sheet:
    """A named table: its columns, its rows, values as they are."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """The rows as CSV in UTF-8, marked as such for spreadsheets. A text that would be a formula there gets a quote."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_safe(name) for name in columns])
    writer.writerows([_safe(_written(value)) for value in row] for row in rows)
    return text.getvalue().encode("utf-8-sig", "replace")


def xlsx_of(sheets: Sequence[Sheet], *, timezone: str, title: str = "") -> bytes:
    """A workbook of these sheets: numbers as numbers, days as days, moments on the clock of `timezone`, text as text.

    Nothing becomes a formula.
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    book.properties.title, book.properties.creator = title, "Rondo"
    names = _names([sheet.name for sheet in sheets] or ["Sheet"])
    for name, sheet in zip(names, sheets or [Sheet("Sheet", (), ())], strict=True):
        _add(book, name, sheet, ZoneInfo(timezone))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def sheets_of(facts: object) -> list[Sheet]:
    """The facts of a page as sheets: what is single first, then each list of things, a row a thing.

    A part of a thing stands in a column of its own (`figure.value`); a list inside a row becomes text.
    """
    document = msgspec.to_builtins(facts, builtin_types=(datetime, date))
    if not isinstance(document, Mapping):
        document = {"items": document}
    single: list[tuple[str, object]] = []
    sheets: list[Sheet] = []
    for name, value in _walked(document):
        if isinstance(value, list | tuple):
            sheets.append(_sheet(name, value))
        else:
            single.append((name, value))
    return [Sheet("page", ("name", "value"), single), *sheets]


def sheet_named(sheets: Sequence[Sheet], name: str | None) -> Sheet:
    """The sheet of that name; without one the first that lists things. Raises NotFound with the names there are."""
    if name is None:
        return next((sheet for sheet in sheets[1:] if sheet.rows), sheets[0])
    for sheet in sheets:
        if sheet.name == name:
            return sheet
    raise NotFound.among("table on this page", name, [sheet.name for sheet in sheets])


def _walked(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in document.items():
        whole = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _walked(value, f"{whole}.")
        elif isinstance(value, list | tuple) and not any(isinstance(item, Mapping) for item in value):
            yield whole, _joined(value)
        else:
            yield whole, value


def _sheet(name: str, items: Sequence[object]) -> Sheet:
    rows = [dict(_walked(item)) if isinstance(item, Mapping) else {"value": item} for item in items]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return Sheet(name, columns, [[_plain(row.get(column)) for column in columns] for row in rows])


def _plain(value: object) -> object:
    return msgspec.json.encode(value).decode() if isinstance(value, list | tuple | dict) else value


def _joined(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values)


def _safe(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _written(value: object) -> object:
    """A value as CSV says it: nothing for none, moments with their zone."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else value


def _add(book: Workbook, name: str, sheet: Sheet, zone: ZoneInfo) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    page: WriteOnlyWorksheet = book.create_sheet(name)
    page.freeze_panes = "A2"
    for place, column in enumerate(sheet.columns):
        longest = max([len(column), *(len(str(_shown(row[place], zone))) for row in sheet.rows[:200])])
        page.column_dimensions[get_column_letter(place + 1)].width = min(WIDEST, longest + 2)
    page.append([_cell(page, column, zone, bold=Font(bold=True)) for column in sheet.columns])
    for row in sheet.rows:
        page.append([_cell(page, value, zone) for value in row])


def _cell(page: WriteOnlyWorksheet, value: object, zone: ZoneInfo, *, bold: object = None) -> object:
    from openpyxl.cell import WriteOnlyCell

    shown = _shown(value, zone)
    cell = WriteOnlyCell(page, value=shown)
    if isinstance(shown, str):
        cell.data_type = "s"  # never "f": a text that begins with = stays text
    elif isinstance(shown, datetime):
        cell.number_format = "yyyy-mm-dd hh:mm:ss"
    elif isinstance(shown, date):
        cell.number_format = "yyyy-mm-dd"
    if bold is not None:
        cell.font = bold
    return cell


def _shown(value: object, zone: ZoneInfo) -> object:
    """A value as a cell may hold it."""
    if isinstance(value, datetime):
        local = value.astimezone(zone).replace(tzinfo=None) if value.tzinfo else value
        return local if local.date() >= OLDEST else local.isoformat()
    if isinstance(value, date):
        return value if value >= OLDEST else value.isoformat()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) <= EXACT else str(value)
    if isinstance(value, float | Decimal):
        return value if math.isfinite(value) else None
    return _CONTROL.sub("\ufffd", str(value))


def _names(wanted: Sequence[str]) -> list[str]:
    """Names that a workbook takes: short, without the characters it forbids, each once in any case."""
    taken: set[str] = set()
    names = []
    for each in wanted:
        plain = _FORBIDDEN.sub("_", each).strip("'")[:NAME_LENGTH] or "Sheet"
        name, number = plain, 2
        while name.casefold() in taken:
            tail = f"_{number}"
            name, number = plain[: NAME_LENGTH - len(tail)] + tail, number + 1
        taken.add(name.casefold())
        names.append(name)
    return names
