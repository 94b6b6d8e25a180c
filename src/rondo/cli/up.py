"""`rondo up`: run, serve, monitor and the console in one process tree; the five-minute start."""

from __future__ import annotations

import json as json_text
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import Any

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.monitoring import TELL_S, WATCH_S, Monitors
from rondo.cli.working import workplace
from rondo.console.looking import frame_of
from rondo.errors import Broken
from rondo.handbook.loop import loop_facts
from rondo.loop.monitoring import outbox
from rondo.loop.running import Ran, run
from rondo.loop.sending import Client, Exchange, exchange
from rondo.loop.workplace import Workplace
from rondo.pages.loop import loop_page
from rondo.records.development import Evaluation, Gate
from rondo.records.documents import evaluation_document, gate_document, run_document
from rondo.records.progress import silent

PAGE = "loop.html"


@dataclass(frozen=True)
class Serving:
    """A child process that has said it is ready."""

    process: subprocess.Popen[str]
    url: str


def up(options: Options, *, once: bool, send: int, host: str, port: int) -> Outcome:
    """Run, then serve, monitor and show the console; with `once`, end after the summary."""
    work = workplace(options)
    began = time.monotonic()
    with progress_shown(options) as progress:
        ran = run(work, progress=progress)
    if not options.json:
        _console().print()
        printing.show_run(_console(), run_document(ran.run), ran.run.seconds)
    if ran.run.state == "failed":
        return Outcome(run_document(ran.run), lambda console: None, ran.exit_code)
    with ExitStack() as stack:
        server = stack.enter_context(_child(options, "serve", host, port))
        console = None if once else stack.enter_context(_child(options, "console", host, port + 1 if port else 0))
        exchanges = _send(work, server.url, send, options)
        monitors = Monitors(work, list(work.project.models.values()))
        measured = monitors.look(silent)
        page = work.project.root / PAGE
        page.write_text(loop_page(loop_facts(work), frame_of(work, saved=True)), encoding="utf-8")
        document = _document(ran, exchanges, measured, page, time.monotonic() - began)
        if options.json:
            sys.stdout.write(json_text.dumps(document, ensure_ascii=False) + "\n")
        else:
            _summary(work, exchanges, page, time.monotonic() - began)
        if once:
            outbox(work).deliver(wait_s=TELL_S)
        elif console is not None:
            _keep(work, monitors, options, server, console)
    return Outcome(None, lambda console: None, ran.exit_code if ran.run.state != "done" else 0)


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False, markup=False)


@contextmanager
def _child(options: Options, command: str, host: str, port: int) -> Iterator[Serving]:
    """A child of this process, ended with it."""
    arguments = [
        sys.executable,
        "-m",
        "rondo.cli",
        command,
        "--host",
        host,
        "--port",
        str(port),
        "--state",
        options.state,
    ]
    arguments += ["--project", str(options.project)] if options.project else []
    arguments += ["--by", options.by] if options.by else []
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise Broken(
                f"`rondo {command}` ended before it was ready.",
                next_step=f"Run `rondo {command}` by itself to see why.",
            )
        yield Serving(process, str(json_text.loads(line)["url"]))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _send(work: Workplace, url: str, rows: int, options: Options) -> list[Exchange]:
    """Ask the server rows of each model's examples, over HTTP, and report their outcomes."""
    if not rows:
        return []
    certificate = work.project.settings.serving.certificate
    client = Client(
        url, key=os.environ.get("RONDO_KEY"), certificate=work.project.root / certificate if certificate else None
    )
    with progress_shown(options) as progress:
        return [
            found
            for model in work.project.models.values()
            if (found := exchange(work, model, client, rows, progress=progress)) is not None
        ]


def _document(
    ran: Ran, exchanges: Sequence[Exchange], measured: list[dict[str, Any]], page: Path, seconds: float
) -> dict[str, Any]:
    return {
        **run_document(ran.run),
        "page": page.name,
        "sent": [{"model": e.model, "predictions": e.predictions, "outcomes": e.outcomes} for e in exchanges],
        "models": measured,
        "seconds": round(seconds, 3),
    }


def _summary(work: Workplace, exchanges: Sequence[Exchange], page: Path, seconds: float) -> None:
    """What was done, and how to go on."""
    console, ledger = _console(), work.store.ledger
    for name in work.project.models:
        console.rule(name, align="left", style="dim")
        evaluation = ledger.latest(Evaluation, name=name, where={"testset": "test"})
        if evaluation is not None:
            document = evaluation_document(evaluation.record)
            for metric, figure in list(document["metrics"].items())[:3]:
                console.print(
                    f"{document['version']}: {metric} {printing.interval(figure)} on {figure['n']:,} test rows"
                )
        gate = ledger.latest(Gate, name=name)
        if gate is not None:
            printing.show_gate(console, gate_document(gate.record))
    for sent in exchanges:
        console.rule(f"{sent.model} asked over HTTP", align="left", style="dim")
        counts = f"{sent.predictions:,} predictions and {sent.outcomes:,} outcomes in {sent.seconds:.1f} s"
        console.print(f"{counts}; the first, and why:")
        console.print(f"  {json_text.dumps(sent.row, default=str)}")
        printing.show_explanation(console, {**sent.explanation, "contributions": sent.explanation["contributions"][:6]})
    console.rule(style="dim")
    console.print(f"All of it in {seconds:.0f} s. The loop as a page: {page}")
    console.print("How to go on:")
    for command, what in (
        ("rondo plan", "what is stale or due, and why"),
        ("rondo history", "what happened"),
        ('rondo sql "select * from ledger.deployments"', "everything is a table"),
        ("rondo replay year --from 2013-03-01 --to 2013-12-31", "a year in fast-forward")
        if work.project.settings.clock == "data"
        else ("rondo doctor", "is all well"),
    ):
        console.print(f"  {command}", f"  # {what}", style=None)


def _keep(work: Workplace, monitors: Monitors, options: Options, server: Serving, console: Serving) -> None:
    """Serve, measure and tell until interrupted."""
    if not options.json:
        _console().print(f"\nServing at {server.url}, the console at {console.url}. Ctrl-C ends both.")
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    since, stopped = time.monotonic(), Event()
    telling = Thread(target=outbox(work).keep_delivering, args=(stopped,), daemon=True)
    telling.start()
    try:
        while not stopping:
            for child in (server, console):
                if child.process.poll() is not None and not stopping:
                    raise Broken(
                        f"The process behind {child.url} ended.",
                        next_step="See its message above, then `rondo up` again.",
                    )
            if time.monotonic() - since > WATCH_S:
                monitors.look(silent)
                since = time.monotonic()
            time.sleep(0.2)
    finally:
        stopped.set()
        telling.join(TELL_S)
