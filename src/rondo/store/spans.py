"""Which values a Parquet file holds of a column, as its footer says: most files need not be read then."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

FILES = 16_384
Span = tuple[Any, Any]


@lru_cache(maxsize=FILES)
def span(file: str, column: str) -> Span | None:
    """The least and the greatest value; None where the footer does not say. A file of the lake only ever loses rows."""
    from pyarrow import parquet

    about = parquet.read_metadata(file)
    if column not in about.schema.names:
        return None
    place = about.schema.names.index(column)
    told = [about.row_group(group).column(place).statistics for group in range(about.num_row_groups)]
    if not told or not all(each is not None and each.has_min_max for each in told):
        return None
    return min(each.min for each in told), max(each.max for each in told)


def may_hold(files: Iterable[str], column: str, low: Any, high: Any) -> list[str]:
    """The files that may hold a value from `low` to `high`."""
    found = []
    for file in files:
        held = span(file, column)
        if held is None or (held[0] <= high and low <= held[1]):
            found.append(file)
    return found
