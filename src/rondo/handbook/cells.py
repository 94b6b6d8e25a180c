"""Rows of a query as JSON: times with their zone, no NaN, nothing lost that JSON can say."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from rondo.sql.relations import Answer


def cell(value: object, zone: ZoneInfo) -> Any:
    """A value as JSON says it; a moment in the project's timezone, a number that is none as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    if isinstance(value, datetime):
        return (value.astimezone(zone) if value.tzinfo else value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): cell(inner, zone) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [cell(inner, zone) for inner in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def rows_document(answer: Answer, timezone: str) -> dict[str, Any]:
    """The `sql` document."""
    zone = ZoneInfo(timezone)
    names = list(answer.columns)
    columns = [column.to_pylist() for column in answer.rows.columns]
    rows = [
        {name: cell(value, zone) for name, value in zip(names, values, strict=True)}
        for values in zip(*columns, strict=True)
    ]
    described = [{"name": name, "type": kind} for name, kind in answer.columns.items()]
    return {"columns": described, "rows": rows, "truncated": answer.truncated}
