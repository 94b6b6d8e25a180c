"""Logic that stands in more than one query: the same expression or sub-query, however it is laid out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

LEAST_PARTS, LEAST_OF_A_CONDITION = 2, 3
"""An expression of fewer constants, functions and operators is no logic: `late::int`, `a = b`, `seats > 0`."""


@dataclass(frozen=True)
class Repeated:
    """What several queries compute: `text` as one of them could write it, and the names of those that do."""

    text: str
    among: tuple[str, ...]


def repeated(queries: Mapping[str, str]) -> tuple[Repeated, ...]:
    """Expressions and sub-queries that more than one of the queries (SQL by name) has, the longest first.

    Compared without names of tables, aliases, comments and case, named windows written out. What lies within something
    longer that the same queries share is left out. A query that SQLGlot cannot read has nothing in common with any.
    """
    where: dict[str, set[str]] = {}
    within: dict[str, set[str]] = {}
    for name, sql in queries.items():
        for text, around in _parts(sql):
            where.setdefault(text, set()).add(name)
            within.setdefault(text, set()).update(around)
    shared = {text: names for text, names in where.items() if len(names) > 1}
    found = [
        Repeated(text, tuple(name for name in queries if name in names))
        for text, names in shared.items()
        if not any(names <= shared.get(larger, set()) for larger in within[text])
    ]
    return tuple(sorted(found, key=lambda each: (-len(each.text), each.text)))


@lru_cache(maxsize=512)
def _parts(sql: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Every part of a query that is worth comparing, with the parts around it."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
    except SqlglotError:
        return ()
    _write_out_windows(tree)
    written: dict[int, str] = {}
    found = []
    for node in tree.walk():
        if node is tree or not _is_logic(node):
            continue
        text = written[id(node)] = _plain(node)
        around = frozenset(written[id(each)] for each in _above(node) if id(each) in written) - {text}
        found.append((text, around))
    return tuple(found)


def _write_out_windows(tree: exp.Expression) -> None:
    """Put the definition of a named window where it is used: the same name means something else elsewhere."""
    from sqlglot import exp

    for select in list(tree.find_all(exp.Select)):
        named = {window.name.casefold(): window for window in select.args.get("windows") or ()}
        for used in list(select.find_all(exp.Window)):
            given = used.args.get("alias")
            defined = named.get(given.name.casefold()) if given is not None and used not in named.values() else None
            if defined is None or used.parent_select is not select:
                continue
            used.set("alias", None)
            for part in ("partition_by", "order", "spec"):
                value = defined.args.get(part)
                copied = [each.copy() for each in value] if isinstance(value, list) else value and value.copy()
                used.set(part, copied)


def _is_logic(node: exp.Expression) -> bool:
    from sqlglot import exp

    if isinstance(node, exp.Subquery | exp.Alias | exp.Paren | exp.Ordered | exp.Order | exp.Tuple):
        return False
    if isinstance(node, exp.Query):
        return True
    if not isinstance(node, exp.Condition | exp.Func | exp.Window | exp.Case) or isinstance(node, exp.Column):
        return False
    if node.find(exp.Query) or not node.find(exp.Column):
        return False
    counted = (exp.Condition, exp.Func, exp.Var)
    parts = sum(isinstance(each, counted) and not isinstance(each, exp.Column) for each in node.walk())
    return parts >= (LEAST_OF_A_CONDITION if isinstance(node, exp.Predicate) else LEAST_PARTS)


def _above(node: exp.Expression) -> Iterator[exp.Expression]:
    parent = node.parent
    while parent is not None:
        yield parent
        parent = parent.parent


def _plain(node: exp.Expression) -> str:
    """The part as one text, whatever its tables, aliases and letter case are."""
    from sqlglot import exp

    copy = node.copy()
    for each in copy.walk():
        if isinstance(each, exp.Identifier):
            each.set("quoted", False)
            each.set("this", each.this.casefold())
        elif isinstance(each, exp.Column):
            each.set("table", None)
    for table in copy.find_all(exp.Table):
        table.set("alias", None)
    return str(copy.sql(dialect="duckdb", comments=False))
