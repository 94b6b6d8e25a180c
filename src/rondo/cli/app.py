"""The command line: its commands in the order of `rondo --help`, and how it ends."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rondo.cli import app_working  # isort: skip  # commands are declared on import, in the order of the help
from rondo.cli import app_looking  # isort: skip
from rondo.cli.declaring import app
from rondo.cli.delivering import refuse

DECLARED = (app_working, app_looking)


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
