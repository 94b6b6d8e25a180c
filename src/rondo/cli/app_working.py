"""The commands that work the loop, with their options and examples. What each does stands in the module named."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rondo.cli.declaring import Arguments, Moment, Out, command

Because = Annotated[str | None, typer.Option("--because", metavar="WHY", help="The reason, for the record.")]
On = Annotated[str | None, typer.Option("--on", metavar="TESTSET", help="A test set (default: the test split).")]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Sources, tables or models (default: all).")
]
File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="Rows to answer: CSV, Parquet or JSON lines.")
]
Slices = Annotated[
    list[str] | None, typer.Option("--slice", metavar="COLUMN", help="With --on or --window: also by this column.")
]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="late, late@7, late@production, late@2013-03-01.")]
Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]


class Template(StrEnum):
    """What a new project starts from."""

    blank = "blank"
    flights = "flights"


class KeyAction(StrEnum):
    """What is done with API keys."""

    list = "list"
    make = "make"
    revoke = "revoke"


@command("data", without=("state", "project", "by"))
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The new folder.")],
    template: Annotated[Template, typer.Option("--template", help="What to start from.")] = Template.blank,
) -> Arguments:
    """Make a new project.

    Example: rondo init flights --template flights
    """
    return {"directory": directory, "template": template.value}


@command("teaming")
def document(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="prd, design, plan, decision, runbook, data_card or model_card."),
    ] = None,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Its file in docs/, without .md (default: the kind).")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Which one it is about.")] = None,
    language: Annotated[str | None, typer.Option("--language", help="en or ko (default: the project's).")] = None,
) -> Arguments:
    """Write a document from a template, with the project's names filled in; without a kind, list those there are.

    Nothing is overwritten.

    Example: rondo document decision why-two-hours
    """
    return {"kind": kind, "name": name, "model": model, "language": language}


@command("running")
def plan(
    names: Names = None,
    as_of: Moment = None,
) -> Arguments:
    """What is stale or due and why, and what would run. Nothing is run.

    Example: rondo plan
    """
    return {"names": names or [], "as_of": as_of}


@command("running")
def run(
    names: Names = None,
    as_of: Moment = None,
    examples: Annotated[
        str | None,
        typer.Option("--examples", metavar="TABLE", help="Train one model's version on this examples table instead."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="VERSION", help="Train one model's version on from this one: late@3."),
    ] = None,
) -> Arguments:
    """Bring everything up to date: load, check, build, freeze, train, evaluate, gate.

    With --examples or --from it trains the version asked for, which nothing promotes by itself.

    Example: rondo run late
    """
    return {"names": names or [], "as_of": as_of, "examples": examples, "parent": start}


@command("checking")
def check(
    names: Names = None,
    leaks: Annotated[bool, typer.Option("--leaks", help="Also test prefix stability at random moments.")] = False,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit XML report.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random moments.")] = 0,
) -> Arguments:
    """Run the checks alone, on what is in the lake; with --leaks also whether any table looks into its future.

    Example: rondo check --leaks
    """
    return {"names": names or [], "leaks": leaks, "junit": junit, "seed": seed}


@command("up")
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
) -> Arguments:
    """Run, then serve, monitor and show the console, in one process tree.

    Example: rondo up --once
    """
    return {"once": once, "send": send, "host": host, "port": port}


@command("deploy")
def serve(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port; 0 picks one.")] = 8700,
    workers: Annotated[int, typer.Option("--workers", help="How many processes answer.", min=1)] = 1,
) -> Arguments:
    """Serve predictions. The first line on standard output is {"ready": true, "url": …}.

    Example: rondo serve --port 8700
    """
    return {"host": host, "port": port, "workers": workers}


@command("loop")
def console(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port; 0 picks one.")] = 8701,
) -> Arguments:
    """Show the console alone. The first line on standard output is {"ready": true, "url": …}.

    Example: rondo console --port 8701
    """
    return {"host": host, "port": port}


@command("deploy")
def predict(
    model: ModelName,
    row: Annotated[str | None, typer.Option("--row", metavar="JSON", help="One row.")] = None,
    file: File = None,
    out: Out = None,
    table: Annotated[
        str | None, typer.Option("--table", metavar="NAME", help="Answer the rows of a table or query.")
    ] = None,
) -> Arguments:
    """Answer a row, a file or a table, by the way the server answers.

    Example: rondo predict late --row '{"origin": "JFK", "carrier": "UA"}'
    """
    return {"model": model, "row": row, "file": file, "out": out, "table": table}


@command("deploy")
def explain(
    model: ModelName,
    row: Annotated[str | None, typer.Option("--row", metavar="JSON", help="One row.")] = None,
    file: File = None,
    out: Out = None,
    id: Annotated[str | None, typer.Option("--id", metavar="PREDICTION", help="A prediction given before.")] = None,  # noqa: A002
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="ROWS", help="Over many rows: test, a test set, a table, or a query in quotes."),
    ] = None,
    window: Annotated[
        str | None, typer.Option("--window", metavar="LENGTH", help="Over what it answered lately: 7d.")
    ] = None,
    slices: Slices = None,
) -> Arguments:
    """Say why a prediction came out as it did; or what moves predictions over many rows.

    Example: rondo explain late --row '{"origin": "JFK", "carrier": "UA"}'
    """
    given = {"row": row, "file": file, "prediction": id, "on": on, "window": window}
    return {"model": model, "out": out, "slices": slices or [], **given}


@command("develop")
def evaluate(
    model: ModelName,
    on: On = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every version, on every test set (or on that one), ranked.")
    ] = False,
) -> Arguments:
    """Metrics with intervals, and by slice. Where a test set says scores: whether they come out, or exit code 1.

    Example: rondo evaluate late --on december
    """
    return {"model": model, "on": on, "every": every}


@command("studies")
def mistakes(
    model: ModelName,
    on: On = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="How many of the worst.", min=1)] = 20,
) -> Arguments:
    """The worst mistakes of a version, and the slices where mistakes gather.

    Example: rondo mistakes late --on december
    """
    return {"model": model, "on": on, "limit": limit}


@command("develop")
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A version: late@7, late@production.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another: late@2013-03-01.")],
    on: On = None,
) -> Arguments:
    """The paired difference of two versions on the same rows, by slice too, and what has changed since B was judged.

    Example: rondo compare late@production late@2013-03-01 --on december
    """
    return {"a": a, "b": b, "on": on}


@command("develop")
def gate(
    model: ModelName,
) -> Arguments:
    """Hold a version against its PRD.

    Example: rondo gate late
    """
    return {"model": model}


@command("develop")
def sign(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="late@7.")],
    requirement: Annotated[str, typer.Argument(metavar="REQUIREMENT", help="The line as the PRD has it.")],
    because: Because = None,
) -> Arguments:
    """Answer, by name, for an undecided requirement.

    Example: rondo sign late@7 "roc_auc >= 0.62" --because "two weeks of rows are few"
    """
    return {"version": version, "requirement": requirement, "because": because}


@command("deploy")
def promote(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="late@7.")],
    to: Annotated[str, typer.Option("--to", metavar="ROLE", help="production, canary=10% or shadow.")],
    because: Because = None,
) -> Arguments:
    """Put a version to work in a role.

    Example: rondo promote late@7 --to production --because "passed, reviewed"
    """
    return {"version": version, "to": to, "because": because}


@command("exporting")
def export(
    version: ModelName,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help="onnx, or python: a typed client.")],  # noqa: A002
    out: Out = None,
) -> Arguments:
    """Write a version as a file that scores without Rondo, once it scores the same there; or a client that asks it.

    Example: rondo export late@7 --format onnx --out late.onnx
    """
    return {"version": version, "format": format, "out": out}


@command("deploy")
def rollback(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model.")],
    role: Annotated[
        str, typer.Option("--role", metavar="ROLE", help="canary or shadow: takes that version off.")
    ] = "production",
    because: Because = None,
) -> Arguments:
    """Go back to the version that was in production before, or take the canary or the shadow off.

    Example: rondo rollback late --because "complaints"
    """
    return {"model": model, "role": role, "because": because}


@command("monitoring")
def monitor(
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="The model (default: all).")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Measure again every minute.")] = False,
) -> Arguments:
    """Measure what runs (traffic, quality, service, data), raise and resolve alerts, and tell them.

    Example: rondo monitor late
    """
    return {"model": model, "watch": watch}


@command("alerts")
def alerts(
    identity: Annotated[str | None, typer.Argument(metavar="[ID]", help="The alert (default: all).")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    acknowledged: Annotated[bool, typer.Option("--acknowledge", help="You have seen it.")] = False,
    resolved: Annotated[bool, typer.Option("--resolve", help="It is over, you say.")] = False,
    silenced: Annotated[
        str | None, typer.Option("--silence", metavar="FOR", help="Tell nobody: 2h; 0s ends it.")
    ] = None,
    because: Because = None,
    done: Annotated[int | None, typer.Option("--done", metavar="N", help="The N-th step is done.")] = None,
    undone: Annotated[int | None, typer.Option("--undone", metavar="N", help="The N-th step is not.")] = None,
) -> Arguments:
    """What stands open; one alert with its causes and what to do; seen, over, or silenced; its steps ticked.

    Example: rondo alerts 3f9a12bc --silence 2h --because "The feed moves house."
    """
    doing = {"acknowledged": acknowledged, "resolved": resolved, "silenced": silenced, "because": because}
    return {"identity": identity, "every": every, "done": done, "undone": undone, **doing}


@command("alerts")
def incident(
    identity: Annotated[str | None, typer.Argument(metavar="[ID]", help="The incident (default: list all).")] = None,
    taken: Annotated[bool, typer.Option("--take", help="You work on it: its alerts are acknowledged.")] = False,
    closed: Annotated[bool, typer.Option("--close", help="It is over; say what was learned.")] = False,
    learned: Annotated[str | None, typer.Option("--learned", metavar="TEXT", help="What was learned.")] = None,
) -> Arguments:
    """Incidents: their timeline, who works on them, what was learned.

    Example: rondo incident 3f9a12bc --close --learned "Two feeds, not one."
    """
    return {"identity": identity, "taken": taken, "closed": closed, "learned": learned}


@command("remarking")
def note(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A table, model, late@7, alert, incident, or docs/plan.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The remark.")],
) -> Arguments:
    """Remark on anything by its name; on an incident it becomes a line of its timeline.

    Example: rondo note late@7 "Trained on the week of the storm."
    """
    return {"name": name, "text": text}


@command("loop")
def replay(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The replay's name: its state is called so.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="The first moment: 2013-03-01.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="The last: 2013-12-31.")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="One model alone.")] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="VERSION", help="Instead: try this version on the last logged requests."),
    ] = None,
    last: Annotated[int, typer.Option("--last", metavar="ROWS", help="How many, with --on.", min=1)] = 10_000,
) -> Arguments:
    """Play recorded history through the live path, in a state of its own on a replayed clock.

    With --on: score what production was asked last on a version that answers nobody yet, and say how many labels flip.

    Example: rondo replay year --from 2013-03-01 --to 2013-12-31
    """
    return {"name": name, "start": start, "end": end, "model": model, "on": on, "last": last}


@command("develop")
def reproduce(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="late@7.")],
) -> Arguments:
    """Rebuild a version from the ledger and compare it with what was kept.

    Example: rondo reproduce late@7
    """
    return {"version": version}


@command("keys")
def key(
    action: Annotated[KeyAction, typer.Argument(metavar="[ACTION]", help="make, list or revoke.")] = KeyAction.list,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="What the key is called: the caller's name in log and metrics."),
    ] = None,
    scope: Annotated[
        str | None, typer.Option("--scope", metavar="SCOPES", help="Of predict, explain, outcome, look; admin for all.")
    ] = None,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="PERSON", help="Who answers for its use (default: who makes it).")
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", metavar="RATE", help="How often it may ask: 100/s, 600/m, 5000/h.")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="LENGTH", help="How long it is good: 90d (default: until revoked)."),
    ] = None,
    because: Because = None,
) -> Arguments:
    """API keys of the prediction server. A new one is printed once; revoking needs a reason.

    Example: rondo key make shop --scope predict,outcome --owner data_engineer --rate 100/s --expires 90d
    """
    return {
        "action": action.value,
        "name": name,
        "scope": scope,
        "owner": owner,
        "rate": rate,
        "expires": expires,
        "because": because,
    }


@command("forgetting")
def forget(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model.")],
    keys: Annotated[
        list[str], typer.Argument(metavar="KEY...", help="The columns as JSON, or the value of the only key column.")
    ],
    datasets: Annotated[bool, typer.Option("--datasets", help="Also from the model's frozen datasets.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; nothing does.")] = False,
    because: Because = None,
) -> Arguments:
    """Erase the rows of keys from a model's log, predictions and outcomes, for good.

    Example: rondo forget late '{"carrier": "UA", "flight": 15}' --because "asked to on 3 May"
    """
    return {"model": model, "keys": keys, "datasets": datasets, "because": because, "dry_run": dry_run}
