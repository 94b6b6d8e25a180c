"""Commands of deployment: serve, predict, explain, promote, rollback."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.studies import attribution
from rondo.cli.working import workplace
from rondo.deploy.rollout import ROLES, parse_role
from rondo.deploy.rollout import promote as promote_version
from rondo.deploy.rollout import rollback as roll_back
from rondo.deploy.server import serve as serve_now
from rondo.errors import WrongUse
from rondo.loop.answering import (
    answer_file,
    answer_rows,
    answer_table,
    explain_prediction,
    explain_row,
    parsed_rows,
)
from rondo.records.documents import deployment_document, explanation_document
from rondo.records.versions import model_version, parse_model_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console


def say_ready(url: str) -> None:
    """The first line on standard output, and the last."""
    print(json_text.dumps({"ready": True, "url": url}), flush=True)


def serve(options: Options, *, host: str, port: int, workers: int) -> Outcome:
    """Serve predictions until told to stop."""
    work = workplace(options)
    serve_now(work.project, lambda: workplace(options).store, host=host, port=port, workers=workers, ready=say_ready)
    return Outcome(None, lambda console: None)


def predict(
    options: Options, *, model: str, row: str | None, file: Path | None, out: Path | None, table: str | None
) -> Outcome:
    """Answer a row, a file or a table."""
    if sum(given is not None for given in (row, file, table)) != 1:
        raise WrongUse("Give one of --row, --file and --table.", next_step="See `rondo predict --help`.")
    work = workplace(options)
    with progress_shown(options) as progress:
        if row is not None:
            document = answer_rows(work, model, parsed_rows(row))
        elif table is not None:
            document = answer_table(work, model, table, out, progress=progress)
        elif file is not None and out is not None:
            document = answer_file(work, model, file, out, progress=progress)
        else:
            raise WrongUse("--file needs --out.", next_step="Name the file to write: --out answers.csv.")
    return Outcome(document, lambda console: printing.show_predictions(console, document))


def explain(
    options: Options,
    *,
    model: str,
    row: str | None,
    file: Path | None,
    out: Path | None,
    prediction: str | None,
    on: str | None,
    window: str | None,
    slices: Sequence[str],
) -> Outcome:
    """Say why a prediction came out as it did, or what moves predictions over many rows."""
    if sum(given is not None for given in (row, file, prediction, on, window)) != 1:
        raise WrongUse("Give one of --row, --file, --id, --on and --window.", next_step="See `rondo explain --help`.")
    if on is not None or window is not None:
        return attribution(options, model=model, on=on, window=window, by=slices)
    if slices:
        raise WrongUse("One prediction has no slices.", next_step="Use --slice with --on or --window.")
    work = workplace(options)
    if file is not None:
        return _explain_file(work_rows(file), options, model, out)
    if prediction is not None:
        document = explanation_document(explain_prediction(work, model, prediction))
    else:
        rows = parsed_rows(row or "")
        if len(rows) != 1:
            raise WrongUse("explain takes one row.", next_step="Give one object, or a --file of rows.")
        document = explanation_document(explain_row(work, model, rows[0]))
    return Outcome(document, lambda console: printing.show_explanation(console, document))


def work_rows(file: Path) -> list[str]:
    """The rows of a JSON lines file, as text."""
    if file.suffix != ".jsonl":
        raise WrongUse(f"{file} is not a .jsonl file.", next_step="Give rows to explain as JSON lines.")
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def _explain_file(lines: list[str], options: Options, model: str, out: Path | None) -> Outcome:
    work = workplace(options)
    found = [explanation_document(explain_row(work, model, parsed_rows(line)[0])) for line in lines]
    if out is not None:
        out.write_text("".join(json_text.dumps(each, ensure_ascii=False) + "\n" for each in found), encoding="utf-8")
    document = {"version": found[0]["version"] if found else model, "explanations": found}

    def show(console: Console) -> None:
        for each in found:
            printing.show_explanation(console, each)

    return Outcome(document, show)


def promote(options: Options, *, version: str, to: str, because: str | None) -> Outcome:
    """Put a version to work in a role."""
    work = workplace(options)
    name, number = parse_model_version(version)
    role, share = parse_role(to)
    made = promote_version(
        work.store, work.project, name, number, role, share, because=because, by=work.by, now=work.now()
    )
    document = deployment_document(made.record, made.at)
    return Outcome(document, lambda console: printing.show_deployment(console, document))


def rollback(options: Options, *, model: str, role: str, because: str | None) -> Outcome:
    """Go back to the version that was in production before, or take another role's version off."""
    work = workplace(options)
    if role not in ROLES:
        raise WrongUse(f"There is no role {role!r}.", next_step="Use --role canary, or --role shadow.")
    made = roll_back(work.store, work.project, model, role, because=because, by=work.by, now=work.now())
    if made.record.ended:
        taken = f"{model_version(model, made.record.version)} is {role} no longer."
        return Outcome(deployment_document(made.record, made.at), lambda console: console.print(taken))
    document = deployment_document(made.record, made.at)
    return Outcome(document, lambda console: printing.show_deployment(console, document))
