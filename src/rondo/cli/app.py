"""Every command with its options and its example. What it does stands in the module of its stage."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rondo.cli.delivering import Options, deliver, refuse

app = typer.Typer(
    name="rondo",
    help="The whole machine-learning loop in one tool: data, development, deployment, and back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
State = Annotated[str, typer.Option("--state", metavar="NAME", help="The state to work on: live, or a replay's name.")]
Folder = Annotated[Path | None, typer.Option("--project", metavar="DIR", help="The project's folder (default: here).")]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who acts (default: the system's user).")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Moment = Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="As of this moment: 2013-05-01.")]
Because = Annotated[str | None, typer.Option("--because", metavar="WHY", help="The reason, for the record.")]
On = Annotated[str | None, typer.Option("--on", metavar="TESTSET", help="A test set (default: the test split).")]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Sources, tables or models (default: all).")
]
File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="Rows to answer: CSV, Parquet or JSON lines.")
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to write.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="late, late@7, late@production, late@2013-03-01.")]
Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]


class Template(StrEnum):
    """What a new project starts from."""

    blank = "blank"
    flights = "flights"


def _options(json: bool, state: str, project: Path | None, by: str | None, debug: bool) -> Options:
    return Options(json=json, state=state, project=project, by=by, debug=debug)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The new folder.")],
    template: Annotated[Template, typer.Option("--template", help="What to start from.")] = Template.blank,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a new project.

    Example: rondo init flights --template flights
    """
    options = _options(json, "live", None, None, debug)
    deliver(options, "data", "init", directory=directory, template=template.value)


@app.command()
def plan(
    names: Names = None,
    as_of: Moment = None,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """What is stale or due and why, and what would run. Nothing is run.

    Example: rondo plan
    """
    deliver(_options(json, state, project, by, debug), "running", "plan", names=names or [], as_of=as_of)


@app.command()
def run(
    names: Names = None,
    as_of: Moment = None,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Bring everything up to date: load, check, build, freeze, train, evaluate, gate.

    Example: rondo run late
    """
    deliver(_options(json, state, project, by, debug), "running", "run", names=names or [], as_of=as_of)


@app.command()
def check(
    names: Names = None,
    leaks: Annotated[bool, typer.Option("--leaks", help="Also test prefix stability at random moments.")] = False,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit XML report.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random moments.")] = 0,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Run the checks alone, on what is in the lake; with --leaks also whether any table looks into its future.

    Example: rondo check --leaks
    """
    options = _options(json, state, project, by, debug)
    deliver(options, "checking", "check", names=names or [], leaks=leaks, junit=junit, seed=seed)


@app.command()
def up(
    once: Annotated[bool, typer.Option("--once", help="End after the summary instead of serving on.")] = False,
    send: Annotated[
        int,
        typer.Option(
            "--send", metavar="ROWS", help="Ask the server so many known rows and report their outcomes.", min=0
        ),
    ] = 0,
    host: Host = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", help="Port of the prediction server; the console's is the next (0: any).")
    ] = 8700,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Run, then serve, monitor and show the console, in one process tree.

    Example: rondo up --once
    """
    deliver(_options(json, state, project, by, debug), "up", "up", once=once, send=send, host=host, port=port)


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port; 0 picks one.")] = 8700,
    workers: Annotated[int, typer.Option("--workers", help="How many processes answer.", min=1)] = 1,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Serve predictions. The first line on standard output is {"ready": true, "url": …}.

    Example: rondo serve --port 8700
    """
    deliver(_options(json, state, project, by, debug), "deploy", "serve", host=host, port=port, workers=workers)


@app.command()
def console(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port; 0 picks one.")] = 8701,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Show the console alone. The first line on standard output is {"ready": true, "url": …}.

    Example: rondo console --port 8701
    """
    deliver(_options(json, state, project, by, debug), "loop", "console", host=host, port=port)


@app.command()
def predict(
    model: ModelName,
    row: Annotated[str | None, typer.Option("--row", metavar="JSON", help="One row.")] = None,
    file: File = None,
    out: Out = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="NAME", help="Answer the rows of a table or query.")
    ] = None,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Answer a row, a file or a table, by the way the server answers.

    Example: rondo predict late --row '{"origin": "JFK", "carrier": "UA"}'
    """
    options = _options(json, state, project, by, debug)
    deliver(options, "deploy", "predict", model=model, row=row, file=file, out=out, table=table)


@app.command()
def explain(
    model: ModelName,
    row: Annotated[str | None, typer.Option("--row", metavar="JSON", help="One row.")] = None,
    file: File = None,
    out: Out = None,
    id: Annotated[str | None, typer.Option("--id", metavar="PREDICTION", help="A prediction given before.")] = None,  # noqa: A002
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Say why a prediction came out as it did.

    Example: rondo explain late --row '{"origin": "JFK", "carrier": "UA"}'
    """
    options = _options(json, state, project, by, debug)
    deliver(options, "deploy", "explain", model=model, row=row, file=file, out=out, prediction=id)


@app.command()
def evaluate(
    model: ModelName,
    on: On = None,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Metrics with intervals, and by slice.

    Example: rondo evaluate late --on december
    """
    deliver(_options(json, state, project, by, debug), "develop", "evaluate", model=model, on=on)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A version: late@7, late@production.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another: late@2013-03-01.")],
    on: On = None,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """The paired difference of two versions on the same rows.

    Example: rondo compare late@production late@2013-03-01 --on december
    """
    deliver(_options(json, state, project, by, debug), "develop", "compare", a=a, b=b, on=on)


@app.command()
def gate(
    model: ModelName,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Hold a version against its PRD.

    Example: rondo gate late
    """
    deliver(_options(json, state, project, by, debug), "develop", "gate", model=model)


@app.command()
def sign(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="late@7.")],
    requirement: Annotated[str, typer.Argument(metavar="REQUIREMENT", help="The line as the PRD has it.")],
    because: Because = None,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Answer, by name, for an undecided requirement.

    Example: rondo sign late@7 "roc_auc >= 0.62" --because "two weeks of rows are few"
    """
    options = _options(json, state, project, by, debug)
    deliver(options, "develop", "sign", version=version, requirement=requirement, because=because)


@app.command()
def promote(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="late@7.")],
    to: Annotated[str, typer.Option("--to", metavar="ROLE", help="production, canary=10% or shadow.")],
    because: Because = None,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Put a version to work in a role.

    Example: rondo promote late@7 --to production --because "passed, reviewed"
    """
    options = _options(json, state, project, by, debug)
    deliver(options, "deploy", "promote", version=version, to=to, because=because)


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model.")],
    because: Because = None,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Go back to the version that was in production before.

    Example: rondo rollback late --because "complaints"
    """
    deliver(_options(json, state, project, by, debug), "deploy", "rollback", model=model, because=because)


@app.command()
def monitor(
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="The model (default: all).")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Measure again every minute.")] = False,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Measure windows of live traffic: rows, nulls, drift of the score, the metric on matured outcomes.

    Example: rondo monitor late
    """
    deliver(_options(json, state, project, by, debug), "loop", "monitor", model=model, watch=watch)


@app.command()
def replay(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The replay's name: its state is called so.")],
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="The first moment: 2013-03-01.")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="The last: 2013-12-31.")],
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="One model alone.")] = None,
    json: Json = False,
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Play recorded history through the live path, in a state of its own on a replayed clock.

    Example: rondo replay year --from 2013-03-01 --to 2013-12-31
    """
    options = _options(json, name, project, by, debug)
    deliver(options, "loop", "replay", name=name, start=start, end=end, model=model)


@app.command()
def reproduce(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="late@7.")],
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Rebuild a version from the ledger and compare it with what was kept.

    Example: rondo reproduce late@7
    """
    deliver(_options(json, state, project, by, debug), "develop", "reproduce", version=version)


@app.command()
def sql(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="SQL over tables, dataset.late, predictions.late, ledger.runs …")
    ],
    as_of: Moment = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many rows (0: all).", min=0)] = 10_000,
    out: Out = None,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Ask the lake and the ledger.

    Example: rondo sql "select origin, count(*) from flights group by origin"
    """
    deliver(_options(json, state, project, by, debug), "data", "sql", query=query, as_of=as_of, limit=limit, out=out)


@app.command()
def profile(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A source or table.")],
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """What a table holds; of an examples table also whether it is fit for learning.

    Example: rondo profile departures
    """
    deliver(_options(json, state, project, by, debug), "data", "profile", table=table)


@app.command()
def lineage(
    name: Annotated[str, typer.Argument(metavar="NAME[.COLUMN]", help="A table, a column, a model or a prediction.")],
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Where a table, column, model or prediction comes from.

    Example: rondo lineage origin_delays_3h.late_rate
    """
    deliver(_options(json, state, project, by, debug), "data", "lineage", name=name)


@app.command()
def history(
    limit: Annotated[int, typer.Option("--limit", help="At most so many entries.", min=1)] = 50,
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """What happened, newest first.

    Example: rondo history --limit 20
    """
    deliver(_options(json, state, project, by, debug), "data", "history", limit=limit)


@app.command()
def doctor(
    json: Json = False,
    state: State = "live",
    project: Folder = None,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Whether this installation and project are healthy, and the next step where they are not.

    Example: rondo doctor
    """
    deliver(_options(json, state, project, by, debug), "data", "doctor")


def _version(asked: bool) -> None:
    if asked:
        from rondo import __version__

        print(f"rondo {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    """The whole machine-learning loop in one tool."""


def run_app(arguments: list[str] | None = None) -> None:
    """Run the command line; errors of use exit 2, with a document where one was asked for."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(given, prog_name="rondo", standalone_mode=False)
    except Exception as error:
        refuse(error, json="--json" in given, debug="--debug" in given)
    sys.exit(code if isinstance(code, int) else 0)
