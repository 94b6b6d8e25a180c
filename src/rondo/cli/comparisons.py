"""Versions beside one another, as people read them: the paired difference, its split, flips on logged requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from rondo.cli.printing import Document, grid, interval, mark, number

if TYPE_CHECKING:
    from rich.console import Console

BAR = 24
"""Characters of the longest bar."""
CHANGES = {
    "metric": "another metric",
    "labels": "labels known since",
    "data": "other rows",
    "model": "the other version",
}


def show_comparison(console: Console, document: Document) -> None:
    """A paired difference, by slice, and what it is made of."""
    console.print(f"{document['a']} against {document['b']} on {document['testset']}: {number(document['rows'])} rows")
    table = grid("metric", "a", "b", "a − b", "95 % interval", right=("a", "b", "a − b"))
    for name, figure in document["metrics"].items():
        table.add_row(name, number(figure["a"]), number(figure["b"]), number(figure["difference"], 4), _bounds(figure))
    console.print(table)
    verdicts = {"a": f"{document['a']} is better.", "b": f"{document['b']} is better.", "undecided": "Undecided."}
    console.print(verdicts[document["verdict"]])
    for version, rows in document.get("seen", {}).items():
        console.print(mark("warn"), f"{number(rows)} of the rows are of days that {version} was trained on.")
    if document.get("slices"):
        slices = grid("slice", "rows", "a", "b", "a − b", "all at 95 %", right=("rows", "a", "b", "a − b"))
        for part in document["slices"]:
            for figure in part["metrics"].values():
                slices.add_row(
                    f"{part['by']} = {part['is']}",
                    number(part["rows"]),
                    number(figure["a"]),
                    number(figure["b"]),
                    number(figure["difference"], 4),
                    _bounds(figure),
                )
        console.print(slices)
    if document.get("split"):
        _show_split(console, document)


def _bounds(figure: Document) -> str:
    return "" if figure["low"] is None else f"[{number(figure['low'], 4)}, {number(figure['high'], 4)}]"


def _show_split(console: Console, document: Document) -> None:
    """From what was reported then to now, a bar a change."""
    split = document["split"]
    console.print()
    if split["then"] is None:
        reported = f"What was reported of {document['b']} then is not known."
    else:
        reported = (
            f"On {split['reported'][:10]} {document['b']} was reported with {split['metric_then']} "
            f"{number(split['then'])} on {number(split['rows_then'])} rows; "
            f"now {document['a']} has {split['metric']} {number(split['now'])}: {_signed(split['difference'])}."
        )
    console.print(reported)
    table = grid("of which by", "part", "95 % interval", "", right=("part",))
    longest = max((abs(part["value"]) for part in split["parts"] if part["value"] is not None), default=0.0)
    for part in split["parts"]:
        value = part["value"]
        length = 0 if value is None or not longest else round(abs(value) / longest * BAR)
        bar = Text("█" * length, style="green" if (value or 0) > 0 else "red")
        table.add_row(CHANGES[part["what"]], _signed(value), _bounds(part), bar)
    console.print(table)
    for part in split["parts"]:
        if part["note"]:
            console.print(f"{CHANGES[part['what']]}: {part['note']}.", style="dim")


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}"


def show_flips(console: Console, document: Document) -> None:
    """A version on the last logged requests."""
    against = ", ".join(f"{version} ({number(rows)})" for version, rows in document["against"].items())
    console.print(
        f"{document['version']} on the last {number(document['rows'])} requests that production answered, asked from "
        f"{document['from'][:16]} to {document['to'][:16]}: against {against}."
    )
    flipped, change = document["metrics"]["flip_rate"], document["metrics"]["score_change"]
    moved = "" if document["tolerance"] is None else f" (moved by more than {number(document['tolerance'])})"
    console.print(f"Flipped{moved}: {interval(flipped, 4)}.  Mean change of the score: {interval(change, 4)}.")
    if document["refused"]:
        at_fault = ", ".join(f"{field or 'the row'} ({number(rows)})" for field, rows in document["refusals"].items())
        console.print(mark("bad"), f"{number(document['refused'])} refused, counted as flipped; at fault: {at_fault}.")
    if document["looked_up"]:
        console.print(f"Looked up as of each request, not as logged: {', '.join(document['looked_up'])}.", style="dim")
    if document["absent"]:
        console.print(mark("warn"), f"It reads what no request brought, and had null: {', '.join(document['absent'])}.")
    if document["latency_p99_ms"] is not None:
        took = f"{document['latency_p50_ms']:.2f} ms, 99 of 100 within {document['latency_p99_ms']:.2f} ms"
        console.print(f"A request takes {took} ({number(document['requests'])} requests).")
    if document["slices"]:
        table = grid("slice", "rows", "flipped, all at 95 %", "score change", right=("rows",))
        for part in document["slices"]:
            figures = [part["metrics"].get(name) for name in ("flip_rate", "score_change")]
            shown = [interval(figure, 4) if figure else "–" for figure in figures]
            table.add_row(f"{part['by']} = {part['is']}", number(part["rows"]), *shown)
        console.print(table)
    if document["unsliced"]:
        console.print(f"Requests do not carry: {', '.join(document['unsliced'])}.", style="dim")
    for line in document["requirements"]:
        console.print(mark(line["state"]), line["text"])
