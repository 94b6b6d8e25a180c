"""Where a query's columns come from: values, and the filters, joins and groups that decide which rows there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rondo.errors import DeclarationError
from rondo.sql.parsing import rename_tables, tables_read

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

Kind = Literal["value", "filter", "join", "group"]
Column = tuple[str, str]  # of a table that the query reads


@dataclass(frozen=True, order=True)
class Edge:
    """One column of a table read that an output depends on.

    `output_column` is None where the dependence is every output's: a filter, a join, a group. `column` is None where it
    could not be told which of the table's columns it is: take it as all of them.
    """

    output_column: str | None
    table: str
    column: str | None
    kind: Kind


@dataclass
class _Sources:
    """What one select takes from tables: each output's values, and what decides about its rows."""

    outputs: dict[str, set[Column]] = field(default_factory=dict)
    rows: set[tuple[Kind, Column]] = field(default_factory=set)


def lineage(sql: str, schemas: Mapping[str, Mapping[str, str]], column: str | None = None) -> list[Edge]:
    """The columns that a query's outputs, or the one named, depend on, sorted.

    `schemas` gives the columns (name to type) of each table read, named as `tables_read` names them. A window's
    partition and order count as groups. Where the query cannot be resolved, there is one edge with column None for
    every table read. Raises DeclarationError where the query does not parse, or `column` is not among its outputs.
    """
    tables = tables_read(sql)
    sources = _resolved(sql, tables, schemas)
    if sources is None:
        return [Edge(column, table, None, "value") for table in sorted(tables)]
    wanted = [name for name in sources.outputs if column is None or name.casefold() == column.casefold()]
    if column is not None and not wanted:
        raise DeclarationError(
            f"The query has no column {column!r}; there are: {', '.join(sources.outputs)}.",
            next_step="Name one of these.",
        )
    values = [Edge(name, table, source, "value") for name in wanted for table, source in sources.outputs[name]]
    rows = [Edge(None, table, source, kind) for kind, (table, source) in sources.rows]
    return sorted(values) + sorted(rows, key=lambda edge: (edge.kind, edge.table, str(edge.column)))


def _resolved(sql: str, tables: tuple[str, ...], schemas: Mapping[str, Mapping[str, str]]) -> _Sources | None:
    """None where SQLGlot cannot tell every column's table."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    plain = {table: f"table_{number}" for number, table in enumerate(tables)}  # SQLGlot wants names of equal depth
    given = {name.casefold(): columns for name, columns in schemas.items()}
    if any(not given.get(table.casefold()) for table in tables):
        return None
    spelled = {(plain[table], name.casefold()): (table, name) for table in tables for name in given[table.casefold()]}
    schema = {plain[table]: dict.fromkeys(given[table.casefold()], "text") for table in tables}
    try:
        tree = sqlglot.parse_one(rename_tables(sql, plain), dialect="duckdb")
        if not isinstance(tree, exp.Query):
            return None
        _hoist_joins(tree)
        names = {name.casefold(): name for name in tree.named_selects}
        scope = build_scope(qualify(tree, schema=schema, dialect="duckdb", quote_identifiers=False))
        if scope is None:
            return None
        sources = _of_scope(scope, spelled)
    except (SqlglotError, _Unresolved):
        return None
    return _Sources({names.get(name, name): columns for name, columns in sources.outputs.items()}, sources.rows)


def _hoist_joins(tree: exp.Expression) -> None:
    """In `from a join b … select …` SQLGlot hangs the joins on the table a: put them where they hang elsewhere."""
    from sqlglot import exp

    for select in tree.find_all(exp.Select):
        first = select.args["from_"].this if select.args.get("from_") else None
        if first is not None and first.args.get("joins"):
            joins = first.args["joins"]
            first.set("joins", None)
            select.set("joins", [*joins, *select.args.get("joins", ())])


class _Unresolved(Exception):
    """A construct whose columns cannot be followed."""


def _of_scope(
    scope: Scope, spelled: Mapping[Column, Column], outer: Mapping[str, _Sources | exp.Table] | None = None
) -> _Sources:
    """What a select takes from tables; `outer` are the sources that a subquery sees around it."""
    from sqlglot import exp

    tree = scope.expression
    if isinstance(tree, exp.SetOperation):
        left, right = (_of_scope(branch, spelled, outer) for branch in scope.set_operation_scopes)
        if len(left.outputs) != len(right.outputs) or tree.args.get("by_name"):
            raise _Unresolved
        pairs = zip(left.outputs.items(), right.outputs.values(), strict=True)
        return _Sources({name: mine | theirs for (name, mine), theirs in pairs}, left.rows | right.rows)
    if not isinstance(tree, exp.Select) or tree.find(exp.Pivot, exp.Lateral, exp.Unnest, exp.Columns):
        raise _Unresolved
    inner: dict[str, _Sources | exp.Table] = dict(outer or {})
    found = _Sources()
    for name, (_, source) in scope.selected_sources.items():
        if isinstance(source, exp.Table):
            inner[name] = source
        else:
            inner[name] = _of_scope(source, spelled)
            found.rows |= inner[name].rows
    nested = {id(child.expression): _of_scope(child, spelled, inner) for child in scope.subquery_scopes}
    for child in nested.values():
        found.rows |= child.rows

    def columns(*parts: exp.Expression | None) -> set[Column]:
        return set().union(*(_columns(part, inner, nested, spelled) for part in parts if part is not None))

    for projection in tree.selects:
        found.outputs[projection.alias_or_name] = columns(projection)
    inner[""] = found  # the outputs themselves, as `order by` may name them
    found.rows |= {("filter", source) for source in columns(*_filters(tree))}
    found.rows |= {
        ("join", source) for source in columns(*(join.args.get("on") for join in tree.args.get("joins", ())))
    }
    found.rows |= {("group", source) for source in columns(*_groups(tree))}
    return found


def _filters(select: exp.Select) -> Iterable[exp.Expression | None]:
    yield from (select.args.get(part) for part in ("where", "having", "qualify"))
    if select.args.get("limit") or select.args.get("offset") or select.args.get("distinct"):
        yield from (select.args.get("order"), select.args.get("distinct"))


def _groups(select: exp.Select) -> Iterable[exp.Expression | None]:
    from sqlglot import exp

    group = select.args.get("group")
    if group is not None and group.args.get("all"):
        yield from (projection for projection in select.selects if not projection.find(exp.AggFunc))
    yield group
    yield from select.args.get("windows", ())
    for window in select.find_all(exp.Window):
        if window.parent_select is select:
            yield from window.args.get("partition_by") or ()
            yield window.args.get("order")


def _columns(
    part: exp.Expression,
    inner: Mapping[str, _Sources | exp.Table],
    nested: Mapping[int, _Sources],
    spelled: Mapping[Column, Column],
) -> set[Column]:
    """The tables' columns behind every column named in a part of a select."""
    from sqlglot import exp

    found: set[Column] = set()
    stack: list[exp.Expression] = [part]
    while stack:
        node = stack.pop()
        if id(node) in nested:
            found |= set().union(*nested[id(node)].outputs.values())
        elif isinstance(node, exp.Column):
            found |= _column(node, inner, spelled)
        elif isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            raise _Unresolved
        else:
            stack.extend(node.iter_expressions())
    return found


def _column(
    column: exp.Column, inner: Mapping[str, _Sources | exp.Table], spelled: Mapping[Column, Column]
) -> set[Column]:
    source = inner.get(column.table)
    if source is None:
        raise _Unresolved
    if isinstance(source, _Sources):
        if column.name not in source.outputs:
            raise _Unresolved
        return source.outputs[column.name]
    return {spelled[source.name, column.name.casefold()]}
