"""Documents as people read them at a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from rondo.errors import WrongUse

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

Document = Mapping[str, Any]
MARKS = {
    "built": ("●", "green"), "fresh": ("–", "dim"), "blocked": ("▲", "yellow"), "failed": ("■", "red"),
    "skipped": ("○", "dim"), "passed": ("●", "green"), "undecided": ("○", "yellow"), "unexamined": ("–", "dim"),
    "not_applicable": ("–", "dim"), "good": ("●", "green"), "warn": ("▲", "yellow"), "bad": ("■", "red"),
    "within": ("●", "green"), "out": ("■", "red"), "no limit": ("–", "dim"), "build": ("●", "cyan"),
    "keep": ("–", "dim"), "live": ("●", "green"), "expired": ("▲", "yellow"), "revoked": ("■", "red"),
}  # fmt: skip


def mark(state: str) -> Text:
    """A state as shape, word and colour, in this order of importance."""
    shape, style = MARKS.get(state, ("○", ""))
    return Text(f"{shape} {state}", style=style)


def number(value: object, digits: int = 3) -> str:
    """A figure for people: thousands apart, `digits` after the point, a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.{digits}f}" if abs(value) >= 10**-digits else f"{value:.2g}"


def interval(figure: Document, digits: int = 3) -> str:
    """`0.712 [0.690, 0.734]`."""
    if figure.get("low") is None:
        return number(figure["value"], digits)
    return f"{number(figure['value'], digits)} [{number(figure['low'], digits)}, {number(figure['high'], digits)}]"


def grid(*titles: str, right: Sequence[str] = ()) -> Table:
    """A table without boxes; the columns named in `right` hold figures."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in titles:
        table.add_column(title, justify="right" if title in right else "left", overflow="fold")
    return table


def show_started(console: Console, directory: Path, template: str, written: Sequence[str]) -> None:
    """A new project."""
    console.print(f"{directory}: a project from the template {template}, {len(written)} files.")
    console.print(f"  next: cd {directory} && rondo run", style="dim")


def show_plan(console: Console, document: Document) -> None:
    """What a run would do."""
    coming = [step for step in document["steps"] if step["action"] == "build"]
    if not coming:
        console.print("Nothing to do: everything is up to date.")
    for step in document["steps"]:
        if step["action"] == "keep" and step["reason"]:
            console.print(f"  {step['name']}: kept ({step['reason']})", style="dim")
    if coming:
        table = grid("name", "stage", "why", "reason")
        for step in coming:
            table.add_row(step["name"], step["stage"], step["why"], step["reason"])
        console.print(table)
        console.print("  next: rondo run", style="dim")


def show_run(console: Console, document: Document, seconds: float) -> None:
    """What a run did; reasons stand below the steps, where they have room."""
    steps = [step for step in document["steps"] if step["state"] != "fresh"]
    if steps:
        table = grid("", "step", "stage", "version", "rows", "s", right=("rows", "s"))
        for step in steps:
            table.add_row(
                mark(step["state"]),
                step["name"],
                step["stage"],
                step["version"] or "",
                "" if step["rows"] is None else number(step["rows"]),
                f"{step['seconds']:.1f}" if step["seconds"] else "",
            )
        console.print(table)
    for step in steps:
        if step["reason"] and step["stage"] not in ("load", "build", "publish"):
            console.print(Text(f"{step['name']}, {step['stage']}: {step['reason']}", style="dim"))
        elif step["state"] in ("failed", "blocked", "skipped"):
            console.print(Text.assemble(mark(step["state"]), f" {step['name']}: {step['reason']}"))
    fresh = len(document["steps"]) - len(steps)
    console.print(
        f"Run {document['run']}: {document['state']} in {seconds:.1f} s; {len(steps)} steps, {fresh} were up to date."
    )


def show_checks(console: Console, document: Document) -> None:
    """What the checks found."""
    table = grid("table", "check", "state", "rows", "failed", right=("rows", "failed"))
    for result in document["tables"]:
        for check in result["checks"]:
            table.add_row(
                result["name"], check["text"], mark(check["state"]), number(check["rows"]), number(check["failed"])
            )
    console.print(table)
    for leak in document["leaks"] or ():
        console.print(Text(f"■ {leak['table']}: {leak['what']}", style="red"))
    if document["leaks"] == []:
        compared = f"{document['moments']} moments, {number(document['leak_rows'])} rows compared"
        console.print(f"No table looks into its future: {compared}.")
    console.print(f"Checks {document['state']}.")


def show_rows(console: Console, document: Document) -> None:
    """Rows of a query."""
    names = [column["name"] for column in document["columns"]]
    figures = [
        c["name"]
        for c in document["columns"]
        if c["type"].startswith(("BIGINT", "INT", "DOUBLE", "DECIMAL", "FLOAT", "HUGE", "SMALL", "TINY"))
    ]
    table = grid(*names, right=figures)
    for row in document["rows"]:
        table.add_row(*(number(row[name], 6) if row[name] is not None else "" for name in names))
    console.print(table)
    more = ", and more (--limit 0 for all)" if document["truncated"] else ""
    console.print(f"{len(document['rows']):,} rows{more}.", style="dim")


def show_profile(console: Console, document: Document) -> None:
    """What a table holds."""
    console.print(f"{document['version'] or document['name']}: {number(document['rows'])} rows")
    table = grid(
        "column", "type", "nulls", "distinct", "min", "median", "max", "most frequent", right=("nulls", "distinct")
    )
    for column in document["columns"]:
        median = (column["quantiles"] or {}).get("0.5")
        top = ", ".join(f"{t['value']} ({t['count']:,})" for t in (column["top"] or [])[:3])
        table.add_row(
            column["name"], column["type"].replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"), number(column["nulls"]),
            number(column["distinct"]), number(column["min"]), number(median), number(column["max"]), top,
        )  # fmt: skip
    console.print(table)
    for check in document["checks"]:
        console.print(
            mark(check["state"]), f"{check['text']}  ({number(check['failed'])} of {number(check['rows'])} rows)"
        )
    if document["fitness"]:
        console.print(f"For learning: {document['fitness']['verdict']}")
        for finding in document["fitness"]["findings"]:
            console.print(f"  {finding['weight']}: {finding['what']}")


def show_lineage(console: Console, document: Document) -> None:
    """Where something comes from."""
    table = grid("from", "column", "used as", "source")
    for edge in document["upstream"]:
        table.add_row(edge["name"], edge["column"] or "all columns", edge["kind"], edge["source"] or "")
    console.print(table)


def show_history(console: Console, document: Sequence[Document]) -> None:
    """What happened."""
    table = grid("at", "what", "name", "by", "")
    for line in document:
        table.add_row(
            line["at"][:19],
            line["what"],
            line["version"] or line["name"],
            line["by"] or "",
            Text(line["reason"] or "", style="dim"),
        )
    console.print(table)


def show_doctor(console: Console, document: Document) -> None:
    """Health."""
    for finding in document["findings"]:
        console.print(mark(finding["state"]), finding["what"])
        if finding["next"]:
            console.print(f"    next: {finding['next']}", style="dim")
    console.print("Healthy." if document["healthy"] else "Not healthy.")


def show_evaluation(console: Console, document: Document) -> None:
    """Metrics with intervals, and by slice."""
    console.print(f"{document['version']} on {document['testset']}: {number(document['rows'])} rows")
    table = grid("metric", "value", "95 % interval", "rows", right=("value", "rows"))
    for name, figure in document["metrics"].items():
        low = "" if figure["low"] is None else f"[{number(figure['low'])}, {number(figure['high'])}]"
        table.add_row(name, number(figure["value"]), low, number(figure["n"]))
    console.print(table)
    if document["slices"]:
        first = next(iter(document["metrics"]))
        slices = grid("slice", "rows", first, right=("rows",))
        for part in document["slices"]:
            figure = part["metrics"].get(first)
            slices.add_row(f"{part['by']} = {part['is']}", number(part["rows"]), interval(figure) if figure else "–")
        console.print(slices)
    if golden := document.get("golden"):
        show_golden(console, golden)


def show_golden(console: Console, golden: Document) -> None:
    """The scores that a golden test set expects against those found."""
    if not golden["differ"]:
        console.print(f"All {number(golden['rows'])} rows score as expected.")
        return
    first = golden["first"]
    of = f" of {first['of']}" if first["of"] else ""
    console.print(mark("failed"), f"{number(golden['differ'])} of {number(golden['rows'])} rows score otherwise.")
    console.print(f"  first: row {first['row']} scores {first['found']!r}{of}, {first['expected']!r} was expected")


def show_gate(console: Console, document: Document) -> None:
    """A version held against its PRD."""
    table = grid("requirement", "state", "value", "bounds", "limit", "rows", right=("value", "limit", "rows"))
    for line in document["requirements"]:
        exact = line["low"] is None or line["low"] == line["high"]
        bounds = "" if exact else f"[{number(line['low'])}, {number(line['high'])}]"
        state = mark(line["state"])
        if line["signed_by"]:
            state.append(f", signed by {line['signed_by']}")
        table.add_row(line["text"], state, number(line["value"]), bounds, number(line["limit"]), number(line["n"]))
        unsure = [s for s in line.get("slices") or () if s["state"] not in ("passed", "unexamined")]
        for part in unsure:
            table.add_row(
                f"  {part['by']} = {part['is']}",
                mark(part["state"]),
                number(part["value"]),
                f"[{number(part['low'])}, {number(part['high'])}]",
                "",
                number(part["n"]),
            )
    console.print(table)
    console.print(Text.assemble(f"{document['version']}: ", mark(document["state"])))


def show_deployment(console: Console, document: Document) -> None:
    """A version put to work."""
    replaced = f", replacing {document['replaced']}" if document["replaced"] else ""
    share = f" ({document['share']:.0%} of the traffic)" if document["role"] == "canary" else ""
    console.print(f"{document['version']} is {document['role']}{share} since {document['since'][:19]}{replaced}.")


def show_predictions(console: Console, document: Document) -> None:
    """Answers; of those written into a file, how many and where."""
    if document.get("file"):
        console.print(f"{document['version']}: {document['rows']:,} predictions in {document['file']}.")
        return
    table = grid("key", "answer", "label", "id", right=("answer",))
    for each in document["predictions"][:50]:
        key = ", ".join(f"{k}={v}" for k, v in (each["key"] or {}).items())
        answer = each.get("score", each.get("value"))
        shown = (
            number(answer, 4) if answer is not None else ", ".join(f"{k} {v:.3f}" for k, v in each["scores"].items())
        )
        table.add_row(key, shown, str(each.get("label", "")), each["id"])
    console.print(table)
    console.print(f"{document['version']}: {len(document['predictions']):,} predictions.", style="dim")


def show_explanation(console: Console, document: Document) -> None:
    """Why a prediction came out as it did."""
    table = grid("feature", "value", "moves the answer by", right=("moves the answer by",))
    for part in sorted(document["contributions"], key=lambda c: -abs(c["contribution"])):
        table.add_row(part["feature"], number(part["value"]), f"{part['contribution']:+.4f}")
    console.print(
        f"{document['version']}: {number(document['prediction'], 4)}, from {number(document['base'], 4)} on average"
    )
    console.print(table)


def show_replay(console: Console, document: Document) -> None:
    """A stretch of history replayed."""
    counts = [
        f"{number(document['predictions'])} predictions",
        f"{number(document['outcomes'])} outcomes",
        *(f"{document[what]} {what}" for what in ("alerts", "trainings", "promotions", "rejections")),
    ]
    console.print(f"{document['name']}: {', '.join(counts)}.")
    asked, differ = document["requests"], document["differences"]
    if asked:
        said = f"{differ} of them ANSWERED OTHERWISE" if differ else "every one answered the same"
        console.print(f"{number(asked)} of the predictions were asked for over HTTP: {said}.")
    for difference in document["differing"]:
        console.print(f"  {difference}")
    first = next((name for month in document["months"] for name in month["metrics"]), None)
    table = grid("month", "in production", "rows", first or "", right=("rows",))
    for month in document["months"]:
        figure = month["metrics"].get(first) if first else None
        table.add_row(
            month["month"], month["version"] or "–", number(month["rows"]), interval(figure) if figure else "–"
        )
    console.print(table)
    for each in document["comparisons"]:
        for name, figure in each["metrics"].items():
            low, high = figure["low"], figure["high"]
            between = "" if low is None else f" [{number(low, 4)}, {number(high, 4)}]"
            console.print(
                f"{each['testset']}: {each['a']} against {each['b']}, in production at the start, on the same "
                f"{number(each['rows'])} rows: {name} {number(figure['difference'], 4)}{between}."
            )
    spent = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in document["seconds"].items())
    console.print(f"Time: {spent}.", style="dim")


def show_reproduced(console: Console, document: Document) -> None:
    """A rebuild compared."""
    console.print(
        f"{document['version']}: {'rebuilt to the same bytes.' if document['equal'] else 'the rebuild differs:'}"
    )
    for difference in document["differences"]:
        console.print(f"  {difference}")
    for each in document["erased"]:
        rows = ", ".join(f"{count:,} {part}" for part, count in each["rows"].items() if count)
        console.print(f"Since then {each['by']} had keys forgotten on {each['at'][:10]}: {rows or 'no rows'}.")


def write_rows(rows: pa.Table, path: Path) -> None:
    """Rows to a file by its ending: .csv or .parquet."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(rows, path)
    elif path.suffix == ".csv":
        from pyarrow import csv

        csv.write_csv(rows, path)
    else:
        raise WrongUse(f"{path} ends neither in .csv, .parquet nor .xlsx.", next_step="Name a file that does.")
