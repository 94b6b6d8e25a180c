"""What failed checks do to a build, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rondo.project.checks import Check, OnFail
from rondo.records.tables import Checked

State = Literal["passed", "warned", "quarantined", "blocked"]


def state_of(checks: Sequence[Check], found: Sequence[Checked], on_fail: OnFail) -> State:
    """What failed checks do to a build.

    A check of rows that saw none has failed, but an empty table is nobody's mistake by itself: it warns. Who wants
    rows says so with `row_count`. A check of the whole table has no row to set aside, so it blocks under quarantine.
    """
    failed = [(check, result) for check, result in zip(checks, found, strict=True) if result.state == "failed"]
    if not failed:
        return "passed"
    serious = [check for check, result in failed if result.rows or not check.of_rows]
    if on_fail == "warn" or not serious:
        return "warned"
    if on_fail == "block" or not all(check.of_rows for check in serious):
        return "blocked"
    return "quarantined"


def sentence(found: Sequence[Checked]) -> str:
    """The failed checks with their counts: `amount > 0 (2 of 10 rows)`."""
    parts = []
    for result in found:
        if result.state == "failed":
            if not result.rows:
                parts.append(f"{result.text} (no rows to examine)")
            elif result.failed:
                parts.append(f"{result.text} ({result.failed:,} of {result.rows:,} rows)")
            else:
                parts.append(f"{result.text} ({result.rows:,} rows)")
    return ", ".join(parts)
