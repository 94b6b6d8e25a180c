"""From a command to what is printed: one JSON document for machines, Rich for people, an exit code for both."""

from __future__ import annotations

import json as json_text
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rondo.errors import RondoError, WrongUse

if TYPE_CHECKING:
    from rich.console import Console

    from rondo.records.progress import Progress


@dataclass(frozen=True)
class Options:
    """What every command takes."""

    json: bool = False
    state: str = "live"
    project: Path | None = None
    by: str | None = None
    debug: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a command came to: its document, how people see it, and the exit code.

    A `document` of None prints nothing for machines either (a server has had its say).
    """

    document: Any
    show: Callable[[Console], None]
    exit_code: int = 0


def deliver(options: Options, module: str, function: str, **arguments: object) -> NoReturn:
    """Call `rondo.cli.<module>.<function>(options, …)` and print what it answers."""
    try:
        outcome: Outcome = getattr(import_module(f"rondo.cli.{module}"), function)(options, **arguments)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        refuse(error, json=options.json, debug=options.debug)
    if outcome.document is not None and options.json:
        sys.stdout.write(json_text.dumps(outcome.document, ensure_ascii=False, allow_nan=False) + "\n")
    elif not options.json:
        from rich.console import Console

        outcome.show(Console(highlight=False, markup=False))
    sys.exit(outcome.exit_code)


def refuse(error: Exception, *, json: bool, debug: bool) -> NoReturn:
    """Print an error in words (a traceback only when asked for) and exit with its code."""
    told = _as_rondo(error)
    if told is None:
        sys.exit(getattr(error, "exit_code", 0))
    if debug:
        traceback.print_exception(error)
    if json:
        sys.stdout.write(json_text.dumps(told.document(), ensure_ascii=False) + "\n")
    where = f"{told.file}:{told.line}: " if told.file and told.line else f"{told.file}: " if told.file else ""
    message = told.message.removeprefix(f"{told.file}: ") if told.file else told.message
    sys.stderr.write(f"error: {where}{message}\n  next: {told.next_step}\n")
    sys.exit(told.exit_code)


def _as_rondo(error: Exception) -> RondoError | None:
    """The error in Rondo's words; None for a plain exit."""
    if isinstance(error, RondoError):
        return error
    if type(error).__name__ in ("Exit", "Abort"):
        return None
    if hasattr(error, "format_message"):  # a wrong use of the command line
        return WrongUse(str(error.format_message()), next_step="See `rondo --help`, or `rondo COMMAND --help`.")
    if isinstance(error, OSError):
        return RondoError(
            f"{error.strerror or error}: {error.filename or 'the system'}",
            next_step="See to the file or the disk, then run again.",
        )
    return RondoError(
        f"This is a defect in Rondo ({type(error).__name__}: {error}).",
        next_step="Run again with --debug and report what it prints; nothing that was finished is lost.",
    )


@contextmanager
def progress_shown(options: Options) -> Iterator[Progress]:
    """Progress on standard error for a person at a terminal: what is done, the share, the time left."""
    from rondo.records.progress import silent

    if options.json or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        said = ""

        def show(share: float | None, what: str) -> None:
            nonlocal said
            if what != said:
                bar.reset(task, total=None if share is None else 1.0, description=what)
                said = what
            bar.update(task, total=None if share is None else 1.0, completed=0 if share is None else share)

        yield show
