"""What a query reads, and what it is when comments, whitespace and letter case are taken away.

DuckDB's own parser decides (`json_serialize_sql`), so a query means here what it means when it is run. Changes are
made in the query's own text, at the places the parser names: nothing is ever regenerated from a tree, so a renamed
query computes what the original did.
"""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from rondo.errors import DeclarationError
from rondo.sql.tokens import characters, edited, line_at, quoted, relation, tokens_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Node = dict[str, Any]

_VERSIONED = re.compile(
    r"@(?:\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?\b|\w+)"
)
_UNKNOWN_PLACE = 2**63
_HIDDEN_READS = frozenset({"query", "query_table", "sqlite_scan", "postgres_scan"})
_ENUMERATIONS = ("type", "class", "handling", "materialized", "null_order", "kind")


def tables_read(sql: str) -> tuple[str, ...]:
    """The tables that a query reads, each once, in order of appearance; names of its own CTEs are not among them.

    A qualified name comes as `dataset.late`, a version as `flights@v12`. Raises DeclarationError where the query
    cannot be parsed.
    """
    return _each_once(name for name, _ in _table_places(_select(quote_versions(sql))))


def columns_of(expression: str, *, file: str | None = None, line: int | None = None) -> tuple[str, ...]:
    """The columns that a scalar expression reads, each once, in order of appearance, spelled as written.

    Parameters of lambdas and columns inside subqueries are not among them; of `address.city` the column is `address`.
    Raises DeclarationError where the text is not one scalar expression.
    """
    places = _column_places(_scalar(expression, file, line))
    return _each_once(names[0] for names, _ in sorted(places, key=lambda place: int(place[1]["query_location"])))


def canonical(sql: str) -> str:
    """The query on one line: no comments, single spaces, words in lower case unless they name something.

    An identifier keeps its letter case, since DuckDB gives it to the output columns. A text that does not parse keeps
    every word as written. Two texts with the same canonical form are the same query.
    """
    sql = quote_versions(sql)
    tokens = [token.text if token.kind != "word" else token for token in tokens_of(sql)]
    while tokens and tokens[-1] == ";":
        tokens.pop()
    try:
        named = frozenset(_names(_statements(sql)))
    except DeclarationError:
        return " ".join(token if isinstance(token, str) else token.text for token in tokens)
    return " ".join(
        token if isinstance(token, str) else token.text if token.text in named else token.text.lower()
        for token in tokens
    )


def fingerprint(sql: str) -> str:
    """SHA-256, in hex, of `canonical(sql)`: the identity of a definition, the same under every version of DuckDB."""
    return hashlib.sha256(canonical(sql).encode()).hexdigest()


def check_single_select(sql: str, *, file: str | None = None, line_offset: int = 0) -> None:
    """Refuse what is not exactly one query that says what it reads.

    `line_offset` is the number of lines of `file` above the query. Raises DeclarationError with file and line.
    """
    sql = quote_versions(sql)

    def refused(message: str, next_step: str, place: int) -> DeclarationError:
        return DeclarationError(message, next_step=next_step, file=file, line=line_offset + line_at(sql, place))

    statements = _statements(sql, file=file, line_offset=line_offset)
    tokens = list(tokens_of(sql))
    if not statements:
        raise refused("There is no query here.", "Write one select statement.", len(sql))
    if len(statements) > 1:
        end = next(i for i, token in enumerate(tokens) if token.text == ";")
        message = f"There are {len(statements)} statements here, and a table is one query."
        raise refused(message, "Leave one select statement in the file.", tokens[end + 1].start)
    for node in _walk(statements[0]):
        if node.get("type") in ("TABLE_FUNCTION", "FUNCTION") and node.get("function_name") in _HIDDEN_READS:
            word = node["function_name"]
            place = next((token.start for token in tokens if token.text.lower() == word), 0)
            raise refused(f"{word}() hides which tables are read.", "Name the tables in a from clause.", place)


def quote_versions(sql: str) -> str:
    """The query with each bare `name@version` put in quotes, as DuckDB needs it: `from flights@v12`."""
    if "@" not in sql:
        return sql
    pieces: list[str] = []
    done = 0
    for token in tokens_of(sql):
        version = _VERSIONED.match(sql, token.end) if token.kind == "word" and token.start >= done else None
        if version:
            pieces += [sql[done : token.start], f'"{token.text}{version.group()}"']
            done = version.end()
    return "".join([*pieces, sql[done:]])


def rename_tables(sql: str, mapping: Mapping[str, str]) -> str:
    """The query reading other relations in place of the tables named (as `tables_read` names them, in any case).

    A relation is a name (`flights@v12`, `dataset.late@7`), quoted here, or a text that ends with `)`, put in as it is.
    The table's own name stays as the alias, so columns qualified by it still resolve; CTEs and columns are untouched.
    """
    sql = quote_versions(sql)
    wanted = {name.casefold(): relation for name, relation in mapping.items()}
    tree = _select(sql)
    offset = characters(sql)
    tokens = {token.start: (i, token) for i, token in enumerate(tokens_of(sql))}
    ordered = [token for _, token in tokens.values()]
    edits: list[tuple[int, int, str]] = []
    unqualified: set[tuple[str, str]] = set()
    for name, node in _table_places(tree):
        if name.casefold() not in wanted:
            continue
        if node["query_location"] >= _UNKNOWN_PLACE:
            raise DeclarationError(f"{name} cannot be read in this form.", next_step=f"Write: from {name}")
        first, start = tokens[offset(node["query_location"])]
        parts = len(_path(node))
        end = ordered[first + 2 * (parts - 1)].end
        alias = "" if node["alias"] else f" as {quoted(_path(node)[-1])}"
        edits.append((start.start, end, relation(wanted[name.casefold()]) + alias))
        if parts > 1 and not node["alias"]:
            unqualified.add((_path(node)[0].casefold(), _path(node)[-1].casefold()))
    for names, node in _column_places(tree, everywhere=True):
        if len(names) > 2 and (names[0].casefold(), names[1].casefold()) in unqualified:
            first, start = tokens[offset(node["query_location"])]
            edits.append((start.start, ordered[first + 2].start, ""))
    return edited(sql, edits)


# --- the tree -------------------------------------------------------------------------------------------------------


class _Parser:
    """One DuckDB session that only parses. Any thread may use it."""

    def __init__(self) -> None:
        import duckdb

        self._lock = threading.Lock()
        config: dict[str, Any] = {"threads": "1", "autoload_known_extensions": "false"}
        self._session: DuckDBPyConnection = duckdb.connect(":memory:", config=config)

    def tree(self, sql: str) -> Node:
        with self._lock:
            [[document]] = self._session.execute("select json_serialize_sql($1::varchar)", [sql]).fetchall()
        try:
            parsed: Node = json.loads(document)
        except RecursionError:
            raise DeclarationError(
                "This SQL is nested too deeply.", next_step="Take it apart into several columns or CTEs."
            ) from None
        return parsed

    def kinds(self, sql: str) -> list[str]:
        with self._lock:
            return [str(statement.type).rpartition(".")[2] for statement in self._session.extract_statements(sql)]


@cache
def _parser() -> _Parser:
    return _Parser()


@lru_cache(maxsize=512)
def _tree(sql: str) -> Node:
    return _parser().tree(sql)


def _statements(sql: str, *, file: str | None = None, line_offset: int = 0) -> list[Node]:
    tree = _tree(sql)
    if not tree["error"]:
        return [statement["node"] for statement in tree["statements"]]
    if tree["error_type"] != "not implemented":
        place = characters(sql)(int(tree["position"])) if "position" in tree else 0
        raise DeclarationError(
            f"This is not SQL that DuckDB reads: {tree['error_message']}.",
            next_step="Mend the query at this line.",
            file=file,
            line=line_offset + line_at(sql, place),
        )
    kinds = _parser().kinds(sql)
    starts = _starts(sql)
    if len(kinds) != len(starts) or "MULTI" in kinds:  # a pivot without values becomes several statements
        other, message = 0, "A pivot must list its values, or its columns would change with the data."
        step = "Write: pivot … on year in (2012, 2013) using …"
    else:
        other = next(i for i, kind in enumerate(kinds) if kind != "SELECT")
        message, step = f"A query is wanted here, not {kinds[other]}.", "Write one select statement."
    raise DeclarationError(message, next_step=step, file=file, line=line_offset + line_at(sql, starts[other]))


def _starts(sql: str) -> list[int]:
    """Where each statement begins."""
    starts, fresh = [], True
    for token in tokens_of(sql):
        if fresh and token.text != ";":
            starts.append(token.start)
        fresh = token.text == ";"
    return starts


def _select(sql: str) -> Node:
    statements = _statements(sql)
    if len(statements) != 1:
        raise DeclarationError(f"One query is wanted, not {len(statements)}.", next_step="Write one select statement.")
    return statements[0]


def _scalar(expression: str, file: str | None, line: int | None) -> Node:
    """The tree of one scalar expression, which stands seven characters in."""
    shown = textwrap.shorten(expression, 100, placeholder=" …")
    refused = DeclarationError(
        f"{shown!r} is not one expression over a row's columns.",
        next_step="Write a condition or a value, such as: distance > 0",
        file=file,
        line=line,
    )
    try:
        statements = _statements("select " + expression)
    except DeclarationError as error:
        raise DeclarationError(
            f"{shown!r}: {error.message}",
            next_step="Mend the expression.",
            file=file,
            line=line,
        ) from None
    plain = len(statements) == 1 and statements[0]["type"] == "SELECT_NODE" and len(statements[0]["select_list"]) == 1
    if not plain:
        raise refused
    [node], selected = statements, statements[0]["select_list"][0]
    rest: tuple[object, ...] = (node["modifiers"], node["cte_map"]["map"], node["where_clause"])
    rest += (node["group_expressions"], node["having"], node["qualify"], selected["alias"], selected["type"] == "STAR")
    open_ended = any(inner.get("class") == "PARAMETER" for inner in _walk(selected))
    if node["from_table"]["type"] != "EMPTY" or open_ended or any(rest):
        raise refused
    tree: Node = selected
    return tree


def _walk(tree: object) -> Iterator[Node]:
    """Every node of a tree, parents first."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(reversed(node.values()))
        elif isinstance(node, list):
            stack.extend(reversed(node))


def _path(table: Node) -> tuple[str, ...]:
    return tuple(part for part in (table["catalog_name"], table["schema_name"], table["table_name"]) if part)


def _table_places(tree: Node) -> list[tuple[str, Node]]:
    """Each reading of a table that is not a CTE in scope: its name and its node, in order of the text."""
    found: list[tuple[str, Node]] = []
    stack: list[tuple[object, frozenset[str]]] = [(tree, frozenset())]
    while stack:
        node, hidden = stack.pop()
        if isinstance(node, list):
            stack.extend((child, hidden) for child in node)
        elif isinstance(node, dict) and node.get("type") == "BASE_TABLE":
            path = _path(node)
            if len(path) > 1 or path[0].casefold() not in hidden:
                found.append((".".join(path), node))
        elif isinstance(node, dict):
            for entry in node.get("cte_map", {}).get("map", ()):
                itself = frozenset({entry["key"].casefold()})
                stack.append((entry["value"], hidden | itself if _is_recursive(entry["value"]) else hidden))
                hidden |= itself
            stack.extend((child, hidden) for key, child in node.items() if key != "cte_map")
    return sorted(found, key=lambda place: int(place[1]["query_location"]))


def _is_recursive(cte: Node) -> bool:
    query = cte.get("query_node") or cte.get("query", {})
    return any(node.get("type") == "RECURSIVE_CTE_NODE" for node in (query, query.get("node", {})))


def _column_places(tree: object, *, everywhere: bool = False) -> list[tuple[tuple[str, ...], Node]]:
    """Each reading of a column: its dotted name and its node. Subqueries are entered only when `everywhere`."""
    found: list[tuple[tuple[str, ...], Node]] = []
    stack: list[tuple[object, frozenset[str]]] = [(tree, frozenset())]  # with the lambdas' parameters in scope
    while stack:
        node, parameters = stack.pop()
        if isinstance(node, list):
            stack.extend((child, parameters) for child in node)
        elif isinstance(node, dict) and node.get("type") == "COLUMN_REF":
            names = tuple(node["column_names"])
            if names[0].casefold() not in parameters and node["query_location"] < _UNKNOWN_PLACE:
                found.append((names, node))
        elif isinstance(node, dict) and node.get("class") == "LAMBDA":
            own = {name.casefold() for child in _walk(node["lhs"]) for name in child.get("column_names", ())}
            stack.append((node["expr"], parameters | own))
        elif isinstance(node, dict):
            stack.extend((child, parameters) for key, child in node.items() if everywhere or key != "subquery")
    return found


def _names(tree: object) -> Iterator[str]:
    """Every text in a tree that may name something: all but the parser's own enumerations."""
    for node in _walk(tree):
        for key, value in node.items():
            if not key.endswith(_ENUMERATIONS):
                yield from (text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str))


def _each_once(names: Iterable[str]) -> tuple[str, ...]:
    """Names without repetition, where letter case makes no difference; the first spelling stays."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.casefold(), name)
    return tuple(first.values())
