"""Looking closer at versions: their mistakes, what moves their answers, all of them by all test sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.printing import Document, grid, interval, number
from rondo.cli.working import workplace
from rondo.deploy.resolving import resolve
from rondo.errors import WrongUse
from rondo.loop.attributing import attribution_lately, attribution_on
from rondo.loop.mistakes import mistakes_of
from rondo.loop.ranking import rank_all
from rondo.loop.versions import TEST
from rondo.loop.workplace import Workplace
from rondo.records.study_documents import attribution_document, mistakes_document, rankings_document

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 10


def _version(work: Workplace, text: str) -> tuple[str, int]:
    work.project.model(text.partition("@")[0])
    return resolve(work.store.ledger, text, timezone=work.project.settings.timezone)


def mistakes(options: Options, *, model: str, on: str | None, limit: int) -> Outcome:
    """The worst mistakes of a version on a test set, and the slices where they gather."""
    work = workplace(options)
    with progress_shown(options) as progress:
        found = mistakes_of(work, *_version(work, model), on or TEST, most=limit, progress=progress)
    document = mistakes_document(found)
    return Outcome(document, lambda console: show_mistakes(console, document))


def attribution(options: Options, *, model: str, on: str | None, window: str | None, by: Sequence[str]) -> Outcome:
    """What moves the answers of a version over many rows."""
    work = workplace(options)
    with progress_shown(options) as progress:
        if window is not None:
            found = attribution_lately(work, _version(work, model), window, by=by, progress=progress)
        else:
            found = attribution_on(work, _version(work, model), on or TEST, by=by, progress=progress)
    document = attribution_document(found)
    return Outcome(document, lambda console: show_attribution(console, document))


def ranking(options: Options, *, model: str, on: str | None) -> Outcome:
    """All versions of a model on all its test sets, or on one."""
    work = workplace(options)
    if "@" in model:
        raise WrongUse(f"--all is about all versions, and {model} is one.", next_step="Name the model alone.")
    with progress_shown(options) as progress:
        found = rank_all(work, model, on, progress=progress)
    document = rankings_document(model, found)
    return Outcome(document, lambda console: show_rankings(console, document))


def show_mistakes(console: Console, document: Document) -> None:
    """The slices first: one mistake is an anecdote."""
    wrong, rows = document["wrong"], document["rows"]
    console.print(
        f"{document['version']} on {document['testset']}: {number(wrong)} of {number(rows)} rows judged wrongly "
        f"({wrong / max(1, rows):.1%}); mean {document['loss']['name'].replace('_', ' ')} "
        f"{number(document['loss']['mean'])}."
    )
    if document["slices"]:
        table = grid("mistakes gather where", "rows", "share", "times as many", right=("rows", "times as many"))
        for part in document["slices"]:
            share = interval({"value": part["share"], "low": part["low"], "high": part["high"]})
            where = " and ".join(f"{each['column']} {_asked(each, ' = ')}" for each in part["conditions"])
            table.add_row(where, number(part["rows"]), share, number(part["lift"], 1))
        console.print(table)
    console.print(_how_sought(document), style="dim")
    table = grid("worst", "moment", "score", "said", "was", "loss", "above all because of", right=("score", "loss"))
    for place, each in enumerate(document["mistakes"][:SHOWN], 1):
        why = ", ".join(
            f"{c['feature']} = {number(c['value'])} ({c['contribution']:+.3f})" for c in each["contributions"]
        )
        moment = (each["moment"] or "")[:16]
        table.add_row(
            str(place), moment, number(each["score"]), number(each["label"]), number(each["outcome"]),
            number(each["loss"]), why,
        )  # fmt: skip
    console.print(table)


def _how_sought(document: Document) -> str:
    if document["confirmed_on"] is None:
        return (
            "Where they gather cannot be said: there are too few days or rows to find it on one half and confirm it on "
            "the other."
        )
    told = f"{number(document['looked'])} conditions and pairs were tried on half of the days"
    if document["days"] is None:
        told = f"{number(document['looked'])} conditions and pairs were tried on half of the rows"
    held = "Those above hold" if document["slices"] else "None holds"
    return f"{told}. {held} on the other half ({number(document['confirmed_on'])} rows), at 95 % for all together."


def show_attribution(console: Console, document: Document) -> None:
    """Columns in order of weight."""
    on = document["on"]
    named = f"the last {on['name']} of live answers" if on["kind"] == "window" else on["name"]
    console.print(
        f"{document['version']} on {named}: {number(document['rows'])} of {number(document['of_rows'])} rows "
        f"explained; from {number(document['base'])} to {number(document['prediction'])} on average."
    )
    table = grid(
        "feature", "mean |contribution|", "share", "direction", "lowers where", "raises where", right=("share",)
    )
    for each in document["features"]:
        table.add_row(
            each["feature"], interval(each, 4), f"{each['share']:.1%}",
            "" if each["direction"] is None else f"{each['direction']:+.2f}", *_ends(each["effects"]),
        )  # fmt: skip
    console.print(table)
    if document["slices"]:
        table = grid("slice", "rows", "above all", right=("rows",))
        for part in document["slices"]:
            first = [f"{name} {interval(figure)}" for name, figure in list(part["features"].items())[:3]]
            table.add_row(f"{part['by']} = {part['is']}", number(part["rows"]), ", ".join(first))
        console.print(table)


def _ends(effects: Sequence[Mapping[str, object]]) -> tuple[str, str]:
    """Where the answer is lowered most and raised most."""
    told = [f"{_asked(each)} ({each['contribution']:+.3f})" for each in effects]
    below = told[0] if effects and float(str(effects[0]["contribution"])) < 0 else ""
    above = told[-1] if effects and float(str(effects[-1]["contribution"])) > 0 else ""
    return below, above


def _asked(condition: Mapping[str, object], equals: str = "") -> str:
    """What a condition asks of its column."""
    if "missing" in condition:
        return "missing"
    if "is" in condition:
        return f"{equals}{condition['is']}".strip()
    low, high = (None if bound is None else f"{bound:.4g}" for bound in (condition["from"], condition["below"]))
    if low is None:
        return f"< {high}"
    return f">= {low}" if high is None else f"from {low} to < {high}"


def show_rankings(console: Console, document: Document) -> None:
    """A table a test set."""
    metric = document["metric"]
    if document["left_out"]:
        console.print(f"{number(document['left_out'])} older versions are left out.", style="dim")
    for part in document["testsets"]:
        if not part["comparable"]:
            table = grid("version", "rows", f"{metric} on its own test split", right=("rows",))
            for each in part["versions"]:
                figure = each["metrics"][metric]
                table.add_row(each["version"], number(figure["n"]), interval(figure))
            console.print(table)
            console.print("Each on rows of its own: not to be compared with one another.", style="dim")
            continue
        table = grid(
            "version", f"{metric} on {part['testset']}", "apart from the best", "best in", "", right=("best in",)
        )
        for each in part["versions"]:
            behind = each["behind"]
            table.add_row(
                each["version"], interval(each["metrics"][metric]), _apart(behind),
                "–" if each["best"] is None else f"{each['best']:.0%}", _standing(each),
            )  # fmt: skip
        console.print(table)
        days = "" if part["days"] is None else f" of {part['days']} days, drawn whole"
        console.print(f"{number(part['rows'])} rows{days}. {_verdict(part)}", style="dim")


def _standing(each: Document) -> str:
    if each["seen"]:
        return f"has seen {number(each['seen'])} of the rows"
    if each["behind"] is None:
        return ""
    return "may be the best" if each["among_best"] else "worse"


def _apart(behind: Document | None) -> str:
    if behind is None:
        return "–"
    return "the best here" if behind["value"] == 0 == behind["low"] == behind["high"] else interval(behind, 4)


def _verdict(part: Document) -> str:
    among = [each["version"] for each in part["versions"] if each["among_best"]]
    if part["best"]:
        return f"{part['best']} is the best."
    if len(among) > 1:
        return f"Which of {', '.join(among)} is the best cannot be said."
    return "Fewer than two versions have not seen any of these rows: nobody is ranked."
