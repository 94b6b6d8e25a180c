"""The checks alone, on what is in the lake, and whether any table looks into its future."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import msgspec

from rondo.data.checking import Examined, run_checks
from rondo.data.leaks import LeakCheck, check_leaks
from rondo.data.session import session
from rondo.data.verdicts import State, state_of
from rondo.errors import NotFound
from rondo.graph.definitions import Node, tables_of
from rondo.loop.planning import newest, wanted
from rondo.loop.workplace import Workplace
from rondo.project.checks import Check
from rondo.project.sources import Source
from rondo.records.documents import Document, moment_text
from rondo.records.progress import Progress, silent
from rondo.records.tables import Checked, CheckResult, TableVersion
from rondo.records.versions import table_version
from rondo.sql.relations import HIDDEN, rows_of, source_relation

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

UNEXAMINED = Checked(text="is in the lake", state="failed", rows=0, failed=0)
"""Stands for the checks of what never landed: nothing was examined, so nothing has passed."""
LANDING = (HIDDEN[0], HIDDEN[2])
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def check(
    work: Workplace, names: Sequence[str] = (), *, leaks: bool = False, seed: int = 0, progress: Progress = silent
) -> Document:
    """Run the checks of sources and tables (`names`, a model's tables among them; none: all) on their newest version.

    A build that its checks held back stands with what they found then. With `leaks` every table whose rows have a
    known time is rebuilt at random moments, drawn with `seed`, from its sources as known by then. Nothing is recorded.
    Raises NotFound for a name that nothing bears, and for leaks where a source never landed.
    """
    nodes = _chosen(work, names)
    tables = []
    with session(work.project, work.store) as opened:
        for number, node in enumerate(nodes):
            progress(number / len(nodes), f"checking {node.name}")
            tables.append(_checked(work, opened.con, node))
    found = _leaks(work, [node.name for node in nodes], seed, progress) if leaks else []
    failed = any(table["state"] not in ("passed", "warned") for table in tables)
    return {
        "state": "failed" if failed or not all(each.passed for each in found) else "passed",
        "tables": tables,
        "leaks": [leak for each in found for leak in _leak_documents(each)] if leaks else None,
        "rebuilt": [{"name": each.table, "moments": each.moments, "rows": each.rows} for each in found],
        "moments": sum(each.moments for each in found),
        "leak_rows": sum(each.rows for each in found),
    }


def _chosen(work: Workplace, names: Sequence[str]) -> list[Node]:
    """The sources and tables named, in the order they are built."""
    wanted(work, names)  # refuses what nothing bears
    models = work.project.models
    chosen = {table for name in names for table in ((name,) if name in work.nodes else tables_of(models[name]))}
    return [node for node in work.nodes.values() if not names or node.name in chosen]


def _checked(work: Workplace, con: DuckDBPyConnection, node: Node) -> Document:
    checks = node.declaration.checks
    version = newest(work.store.ledger, node.name)
    last = work.store.ledger.latest(CheckResult, name=node.name)
    state: State = "blocked"
    if last is not None and last.record.state == "blocked" and _same(last.record, checks):
        results = last.record.checks
    elif version is None:
        results = [UNEXAMINED]
    else:
        results = run_checks(con, _examined(work, node, version), checks)
        state = state_of(checks, results, node.declaration.on_fail)
    return {
        "name": node.name,
        "version": table_version(node.name, version.version) if version else None,
        "state": state,
        "checks": [msgspec.to_builtins(result) for result in results],
    }


def _same(verdict: CheckResult, checks: Sequence[Check]) -> bool:
    """Whether a verdict is on the checks declared now (it may be on more: a null key is always looked for)."""
    return [check.text for check in checks] == [result.text for result in verdict.checks[: len(checks)]]


def _examined(work: Workplace, node: Node, version: TableVersion) -> Examined:
    declaration, lake = node.declaration, work.store.lake
    entries = work.store.ledger.entries(
        TableVersion, name=node.name, where={"pinned": False}, limit=2, newest_first=True
    )
    before = entries[1].record if len(entries) > 1 else None
    keyed = isinstance(declaration, Source) and bool(declaration.key)
    return Examined(
        relation=_rows(work, node, version),
        key=declaration.key,
        references=_references(work, declaration.checks),
        previous=_rows(work, node, before) if before else None,
        landed=f"(select * from {rows_of(version, lake)})" if isinstance(declaration, Source) else None,
        landed_within=LANDING if keyed else (),
        file=declaration.file,
        line=declaration.line if isinstance(declaration, Source) else 1,
    )


def _rows(work: Workplace, node: Node, version: TableVersion) -> str:
    if isinstance(node.declaration, Source):
        return source_relation(node.declaration, version, work.store.lake)
    return f"(select * from {rows_of(version, work.store.lake)})"


def _references(work: Workplace, checks: Sequence[Check]) -> dict[str, str]:
    """The tables that checks look into, those that are there."""
    found = {}
    for name in {table for check in checks for _, table, _ in check.references}:
        try:
            found[name] = work.catalog.relation(name)
        except NotFound:
            continue
    return found


def _leaks(work: Workplace, names: Sequence[str], seed: int, progress: Progress) -> list[LeakCheck]:
    sources = [node.name for node in wanted(work, names)[0] if node.is_source]

    def relations(moment: datetime | None) -> Mapping[str, str]:
        return {name: work.catalog.relation(name, as_of=moment) for name in sources}

    return check_leaks(work.project, work.store, relations, names=names, seed=seed, progress=progress)


def _leak_documents(found: LeakCheck) -> list[dict[str, Any]]:
    if not found.rows:
        what = "no row was compared, so nothing is known of its past"
        return [{"table": found.table, "what": what, "moment": None, "columns": [], "rows": 0}]
    return [
        {
            "table": leak.table,
            "what": leak.what,
            "moment": moment_text(leak.moment),
            "columns": list(leak.columns),
            "rows": leak.rows,
        }
        for leak in found.leaks
    ]


def junit_report(document: Document) -> str:
    """The document as JUnit XML: a suite a table, a case a check; leaks are a suite with a case a table.

    A failed check that only warns counts as skipped, since JUnit has no word for it.
    """
    root = ET.Element("testsuites", name="rondo check")
    for table in document["tables"]:
        cases = [_case(table["name"], check["text"], _told(check)) for check in table["checks"]]
        _add_suite(root, table["name"], cases, "skipped" if table["state"] == "warned" else "failure")
    if document["leaks"] is not None:
        leaks: dict[str, list[str]] = {each["name"]: [] for each in document["rebuilt"]}
        for leak in document["leaks"]:
            leaks[leak["table"]].append(leak["what"])
        cases = [_case("leaks", name, "; ".join(what) or None) for name, what in leaks.items()]
        _add_suite(root, "leaks", cases, "failure")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


_Case = tuple[ET.Element, str | None]


def _case(suite: str, name: str, told: str | None) -> _Case:
    return ET.Element("testcase", classname=_printable(suite), name=_printable(name)), told


def _told(check: Mapping[str, Any]) -> str | None:
    """What is wrong with a check that failed; None for one that passed."""
    if check["state"] == "passed":
        return None
    return f"{check['failed']} of {check['rows']} rows" if check["rows"] else "no rows to examine"


def _add_suite(root: ET.Element, name: str, cases: Sequence[_Case], otherwise: str) -> None:
    bad = sum(told is not None for _, told in cases)
    counts = {
        "tests": len(cases),
        "failures": bad * (otherwise == "failure"),
        "skipped": bad * (otherwise == "skipped"),
    }
    attributes = {"name": _printable(name), **{what: str(count) for what, count in counts.items()}}
    suite = ET.SubElement(root, "testsuite", attributes)
    for case, told in cases:
        if told is not None:
            ET.SubElement(case, otherwise, message=_printable(told))
        suite.append(case)


def _printable(text: str) -> str:
    """Text without what XML 1.0 cannot hold."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
