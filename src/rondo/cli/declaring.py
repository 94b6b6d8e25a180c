"""How a command is declared: its own options in `app.py`, those that every command takes here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from rondo.cli.delivering import Options, deliver

app = typer.Typer(
    name="rondo",
    help="The whole machine-learning loop in one tool: data, development, deployment, and back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Arguments = dict[str, Any]
Moment = Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="As of this moment: 2013-05-01.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to write.")]
COMMON: Mapping[str, tuple[Any, Any]] = {
    "json": (Annotated[bool, typer.Option("--json", help="Print one JSON document.")], False),
    "state": (
        Annotated[str, typer.Option("--state", metavar="NAME", help="The state to work on: live, or a replay's name.")],
        "live",
    ),
    "project": (
        Annotated[Path | None, typer.Option("--project", metavar="DIR", help="The project's folder (default: here).")],
        None,
    ),
    "by": (
        Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who acts (default: the system's user).")],
        None,
    ),
    "debug": (Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")], False),
}
"""What every command takes: type and default, by name."""


def command(
    module: str, *, without: Collection[str] = ()
) -> Callable[[Callable[..., Arguments]], Callable[..., Arguments]]:
    """A command of `rondo.cli.<module>`: its own options are declared below, those that every command takes are added.

    What is decorated gives the arguments of that module's function of the same name. `without` are options it does not
    take.
    """

    def made(declared: Callable[..., Arguments]) -> Callable[..., Arguments]:
        own = signature(declared, eval_str=True).parameters
        taken = {name: each for name, each in COMMON.items() if name not in without}

        def run(**given: Any) -> None:
            options = Options(**{name: given.pop(name) for name in taken})
            deliver(options, module, declared.__name__, **declared(**given))

        added = [Parameter(n, Parameter.KEYWORD_ONLY, annotation=a, default=d) for n, (a, d) in taken.items()]
        kept = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in own.values()]
        run.__signature__ = Signature([*kept, *added])  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in (*kept, *added)}
        run.__name__, run.__doc__ = declared.__name__, declared.__doc__
        app.command()(run)
        return declared

    return made
