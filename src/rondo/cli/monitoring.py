"""`monitor`: one look at what runs, or a look a minute."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.working import workplace
from rondo.errors import WrongUse
from rondo.loop.measuring import Watching
from rondo.loop.monitoring import document, outbox, watch
from rondo.loop.workplace import Workplace
from rondo.project.models import Model

if TYPE_CHECKING:
    from rich.console import Console

    from rondo.records.progress import Progress

WATCH_S = 60
TELL_S = 15.0
"""A single look waits so long for slow channels; what is due then stays due."""
WEEKS = 8
DEAREST = 6

Document = dict[str, Any]


def monitor(options: Options, *, model: str | None, watch: bool) -> Outcome:
    """Measure, raise and resolve, tell."""
    if watch and options.json:
        raise WrongUse("--watch is for people: it never ends its document.", next_step="Leave out --json or --watch.")
    work = workplace(options)
    models = [work.project.model(model)] if model else list(work.project.models.values())
    monitors = Monitors(work, models)
    if watch:
        _keep_watching(options, monitors)
        return Outcome(None, lambda console: None)
    with progress_shown(options) as progress:
        found = monitors.look(progress)
    outbox(work).deliver(wait_s=TELL_S)
    told = found[0] if model else {"models": found}
    return Outcome(told, lambda console: show(console, told))


class Monitors:
    """The models of a project under watch: each look goes on from the one before."""

    def __init__(self, work: Workplace, models: Sequence[Model]) -> None:
        self._watching = [Watching(work, model) for model in models]

    def look(self, progress: Progress) -> list[Document]:
        """One look at each; their documents."""
        for each in self._watching:
            watch(each, progress=progress)
        return [document(each.model, each.remembered.newest().values()) for each in self._watching]


def _keep_watching(options: Options, monitors: Monitors) -> None:
    """A look a minute until told to stop, while alerts are told by a thread of their own. A look is finished first."""
    from rich.console import Console

    stop, console = Event(), Console(highlight=False, markup=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: stop.set())
    telling = Thread(target=outbox(workplace(options)).keep_delivering, args=(stop,), daemon=True)
    telling.start()
    try:
        while not stop.is_set():
            with progress_shown(options) as progress:
                found = monitors.look(progress)
            show(console, {"models": found})
            stop.wait(WATCH_S)
    finally:
        stop.set()
        telling.join(TELL_S)


def show(console: Console, told: Document) -> None:
    """The last weeks of each model, what is out in the newest, and what its drift is expected to cost."""
    for model in told.get("models", [told]):
        weeks = model["windows"]
        if not weeks:
            console.print(f"{model['model']}: nothing was answered yet.")
            continue
        console.print(
            f"{model['model']}: {len(weeks)} weeks of traffic" + (", the last:" if len(weeks) > WEEKS else "")
        )
        _show_weeks(console, weeks[-WEEKS:])
        _show_out(console, weeks[-1])
        _show_dearest(console, weeks[-1])


def _show_weeks(console: Console, weeks: list[Document]) -> None:
    quality = _quality(weeks)
    names = [*quality, *(f"estimated_{name}" for name in quality[:1]), "score_population_stability_index"]
    shown = [name for name in dict.fromkeys(names) if any(_whole(week, name) for week in weeks)]
    table = printing.grid("week from", "rows", "matured", *shown, "out", right=("rows", "matured", "out"))
    for week in weeks:
        cells = [printing.interval(found) if (found := _whole(week, name)) else "" for name in shown]
        out = sum(each["state"] == "out" for each in week["measurements"])
        table.add_row(
            week["from"][:10], printing.number(week["rows"]), printing.number(week["matured"]), *cells,
            printing.number(out) if out else "",
        )  # fmt: skip
    console.print(table)


def _show_out(console: Console, week: Document) -> None:
    for each in week["measurements"]:
        if each["state"] == "out":
            what = " ".join(part for part in (each["name"], "of " + each["feature"] if each["feature"] else "") if part)
            of = f" where {each['by']} is {each['is']}" if each["by"] else ""
            limit = f"{each['side']} {printing.number(each['limit'])} ({each['basis']})"
            console.print(f"  {printing.mark('out')}: {what}{of} {printing.interval(each)}, {limit}")


def _show_dearest(console: Console, week: Document) -> None:
    """The features whose drift is expected to cost most."""
    losses = [each for each in week["measurements"] if each["name"] == "expected_loss" and each["feature"]]
    dear = sorted((each for each in losses if (each["low"] or 0) > 0), key=lambda each: -each["value"])[:DEAREST]
    if dear:
        console.print("What drift is expected to cost, in the metric's unit:")
        for each in dear:
            console.print(f"  {each['feature']}: {printing.interval(each)}")


def _quality(weeks: list[Document]) -> list[str]:
    """The metrics that were judged on outcomes: those with an estimate first, then calibration."""
    names = [each["name"] for week in weeks for each in week["measurements"]]
    estimated = [name.removeprefix("estimated_") for name in names if name.startswith("estimated_")]
    return [name for name in dict.fromkeys([*estimated, "expected_calibration_error"]) if name in names]


def _whole(week: Document, name: str) -> Document | None:
    """A measurement of all rows of the week."""
    return next((m for m in week["measurements"] if m["name"] == name and not m["feature"] and not m["by"]), None)
