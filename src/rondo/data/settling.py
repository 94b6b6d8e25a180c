"""The types of a landing's columns: pinned, or guessed so that no value changes its meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from rondo.data.column_types import TEXT, Guess, candidates_query, common, plausible
from rondo.data.landing import Landing
from rondo.data.reading_files import Part, unreadable
from rondo.errors import DeclarationError, RondoError
from rondo.records.tables import Profile
from rondo.sql.engine import quote, run

SAMPLE_ROWS = 10_000
"""Rows of each file that a type is guessed from; a later row that does not fit has the whole files looked through."""
HEAD_ROWS = 100
SAMPLE_PARTS = 20
CHUNK_COLUMNS = 25


def settle(landing: Landing, parts: Sequence[Part], *, thorough: bool) -> dict[str, str]:
    """The type of every column: pinned by a person or by what landed before, else the narrowest that fits the rows."""
    columns = dict(landing.base.columns) if landing.base else {}
    empty = _never_filled(landing)
    spelled = {name.casefold(): name for name in columns}
    for part in parts:
        for name in part.columns:
            spelled.setdefault(name.casefold(), name)
    pinned = {name.casefold(): kind for name, kind in landing.declared.items()}
    if landing.base is None and (unknown := [name for name in landing.declared if name.casefold() not in spelled]):
        raise DeclarationError(
            f"{landing.source.name}: types names {unknown[0]!r}, which is no column; "
            f"there are: {', '.join(spelled.values())}.",
            next_step="Mend types={…}.",
            file=landing.source.file,
            line=landing.source.line,
        )
    settled = {name for name in columns if name not in empty}
    free = {folded for folded, name in spelled.items() if name not in settled and folded not in pinned}
    guess = _guessed(landing, parts if thorough else _some(parts), free, thorough=thorough)
    kinds: dict[str, list[str]] = {}
    for part in parts:
        for name, kind in part.kinds.items():
            kinds.setdefault(name.casefold(), []).append(kind)
    for folded, name in spelled.items():
        if name in settled:
            continue
        if folded in pinned:
            columns[name] = pinned[folded]
        else:
            guessed = [guess.type_of(folded)] if guess.has_seen(folded) else []
            columns[name] = common([*kinds.get(folded, []), *guessed])
    return columns


def _never_filled(landing: Landing) -> set[str]:
    """Columns that landed without a single value so far: nothing said yet what they are."""
    if landing.base is None:
        return set()
    entry = landing.store.ledger.latest(Profile, name=landing.base.name, version=landing.base.version)
    held = entry.record.columns if entry else []
    rows = entry.record.rows if entry else 0
    names = [c.name for c in held if c.nulls == rows and c.type == TEXT and c.name not in landing.declared]
    if not names:
        return set()
    counts = ", ".join(f"count({quote(name)})" for name in names)  # earlier revisions are not in the profile
    [found] = run(landing.work.con, f"select {counts} from {landing.stored}")
    return {name for name, count in zip(names, found, strict=True) if not count}


def _guessed(landing: Landing, parts: Sequence[Part], free: set[str], *, thorough: bool) -> Guess:
    """What the texts of `free` columns may be: the first rows rule most types out, then more rows or all are asked."""
    con, guess = landing.work.con, Guess()
    for part in parts:
        wanted = [name for name in part.texts if name.casefold() in free]
        if not wanted:
            continue
        try:
            head = run(con, f"select {', '.join(map(quote, wanted))} from {part.relation} limit {HEAD_ROWS}")
            first = list(zip(*head, strict=True)) or [()] * len(wanted)
            left = {n: plausible(values, part.texts[n]) for n, values in zip(wanted, first, strict=True)}
            rows = part.relation if thorough else f"(from {part.relation} limit {SAMPLE_ROWS})"
            for some in by_few(left):
                columns = {name: left[name] for name in some}
                [answer] = run(con, candidates_query(rows, columns))
                guess.narrow({name.casefold(): kinds for name, kinds in columns.items()}, answer)
        except RondoError as error:
            raise unreadable(error, landing.source.reader, part) from error
    return guess


def _some(parts: Sequence[Part]) -> list[Part]:
    """Parts enough to guess from: a few spread over all, and every one that brings a column not seen before."""
    step = max(1, len(parts) // SAMPLE_PARTS)
    seen: set[str] = set()
    chosen = []
    for number, part in enumerate(parts):
        names = {name.casefold() for name in part.columns}
        if number % step == 0 or not names <= seen:
            chosen.append(part)
        seen |= names
    return chosen


def by_few(names: Iterable[str]) -> Iterator[list[str]]:
    """Names a few at a time: DuckDB plans one long query much slower than several short ones."""
    left = iter(names)
    while some := list(islice(left, CHUNK_COLUMNS)):
        yield some
