"""The command line: parse, call, print. Commands load what they need when they are called."""

from __future__ import annotations


def main() -> None:
    """Entry point of `rondo`."""
    from rondo.cli.app import run_app

    run_app()
