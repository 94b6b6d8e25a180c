"""The commands that look and answer, with their options and examples. What they do stands in the module named."""

from __future__ import annotations

from typing import Annotated

import typer

from rondo.cli.declaring import Arguments, Moment, Out, command


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


@command("data")
def doctor() -> Arguments:
    """Whether this installation and project are healthy, and the next step where they are not.

    Example: rondo doctor
    """
    return {}
