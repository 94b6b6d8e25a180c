"""The commands that look and answer, with their options and examples. What they do stands in the module named."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rondo.cli.declaring import Arguments, Moment, Out, command


class CardOf(StrEnum):
    """What a card is of."""

    data = "data"
    model = "model"


@command("data")
def sql(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="SQL over tables, dataset.late, predictions.late, ledger.runs …")
    ],
    as_of: Moment = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many rows (0: all).", min=0)] = 10_000,
    out: Out = None,
) -> Arguments:
    """Ask the lake and the ledger.

    Example: rondo sql "select origin, count(*) from flights group by origin"
    """
    return {"query": query, "as_of": as_of, "limit": limit, "out": out}


@command("data")
def profile(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A source or table.")],
) -> Arguments:
    """What a table holds; of an examples table also whether it is fit for learning.

    Example: rondo profile departures
    """
    return {"table": table}


@command("data")
def lineage(
    name: Annotated[str, typer.Argument(metavar="NAME[.COLUMN]", help="A table, a column, a model or a prediction.")],
) -> Arguments:
    """Where a table, column, model or prediction comes from.

    Example: rondo lineage origin_delays_3h.late_rate
    """
    return {"name": name}


@command("data")
def history(
    limit: Annotated[int, typer.Option("--limit", help="At most so many entries.", min=1)] = 50,
) -> Arguments:
    """What happened, newest first.

    Example: rondo history --limit 20
    """
    return {"limit": limit}


@command("reporting")
def report(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A report of reports/; without one, all.")
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter; as often as there are.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write: .html, .pdf, .xlsx or .md.")
    ] = None,
    as_of: Moment = None,
    language: Annotated[str | None, typer.Option("--language", help="en or ko, where it is written in both.")] = None,
) -> Arguments:
    """Run a report, or list them.

    Example: rondo report weekly --set week=2013-12-16 -o week-51.html
    """
    return {"name": name, "given": given or (), "out": out, "as_of": as_of, "language": language}


@command("asking")
def ask(
    asked: Annotated[
        list[str] | None,
        typer.Argument(metavar="[N or WORDS]", help="A number, or words of either language (default: all)."),
    ] = None,
    language: Annotated[
        str | None, typer.Option("--lang", "--language", help="en or ko (default: the project's).")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="Which model (default: the one in production).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="All answers as one file: .html or .md.")
    ] = None,
) -> Arguments:
    """The handbook: thirty-six questions, answered from this project's facts.

    Example: rondo ask "ten months ago"
    """
    return {"asked": asked or [], "lang": language, "model": model, "out": out}


@command("teaming")
def team() -> Arguments:
    """Who works on the project, what each owns and owes, and whether it is so.

    Example: rondo team
    """
    return {}


@command("teaming")
def card(
    what: Annotated[CardOf, typer.Argument(metavar="WHAT", help="data, or model.")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The model (default: the only one).")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where to write: .html, .pdf, .md, .json or .cdx.json."),
    ] = None,
    language: Annotated[str | None, typer.Option("--language", help="en or ko (default: the project's).")] = None,
) -> Arguments:
    """The data card, or a model card: what people wrote, with what the ledger says around it.

    Example: rondo card model late -o late.html
    """
    return {"what": what.value, "name": name, "out": out, "language": language}


@command("data")
def doctor() -> Arguments:
    """Whether this installation and project are healthy, and the next step where they are not.

    Example: rondo doctor
    """
    return {}
