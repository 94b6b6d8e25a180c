"""Answers outside the server: rows, files and tables through the same `answer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rondo.deploy.answering import Answerer
from rondo.deploy.batch import predict_file, predict_relation
from rondo.deploy.logged import answer_of
from rondo.deploy.predictions import find, record
from rondo.deploy.resolving import resolve
from rondo.deploy.traffic import Traffic
from rondo.errors import NotFound, RowError
from rondo.loop.workplace import Workplace
from rondo.records.development import Explanation
from rondo.records.progress import Progress, silent
from rondo.records.versions import model_version
from rondo.sql.engine import connect
from rondo.sql.parsing import quote_versions, tables_read

CALLER = "command line"


def answerer_of(work: Workplace, model: str) -> Answerer:
    """The version that `late`, `late@7` or `late@production` means, ready to answer."""
    work.project.model(model.partition("@")[0])
    name, number = resolve(work.store.ledger, model, timezone=work.project.settings.timezone)
    return Traffic(work.project, work.store).answerer(name, number)


def answer_rows(work: Workplace, model: str, rows: Sequence[Mapping[str, object]]) -> dict[str, Any]:
    """The `predict` document of rows; the predictions are logged, without a role. Raises RowError."""
    answerer = answerer_of(work, model)
    answers = answerer.answer(rows, now=work.now())
    record(work.store.log, answerer.signature.model, answers, caller=CALLER, latency_ms=None)
    return {"version": answerer.name, "predictions": [answer.document() for answer in answers]}


def answer_file(work: Workplace, model: str, file: Path, out: Path, *, progress: Progress = silent) -> dict[str, Any]:
    """Answer a file into another; the predictions are logged, without a role."""
    answerer = answerer_of(work, model)
    rows = predict_file(answerer, file, out, now=work.now(), log=work.store.log, caller=CALLER, progress=progress)
    return {"version": answerer.name, "predictions": [], "rows": rows, "file": str(out)}


def answer_table(
    work: Workplace, model: str, table: str, out: Path | None, *, progress: Progress = silent
) -> dict[str, Any]:
    """Answer the rows of a table or query: into a Parquet file, or as documents."""
    answerer = answerer_of(work, model)
    query = table if table.strip().lower().startswith(("select", "with", "from")) else f'select * from "{table}"'
    con = connect(timezone=work.project.settings.timezone)
    try:
        for name in tables_read(quote_versions(query)):
            work.catalog.publish(con, name)
        relation = f"({quote_versions(query)})"
        parts = predict_relation(
            answerer, con, relation, now=work.now(), log=work.store.log, caller=CALLER, progress=progress
        )
        return _written(answerer, parts, out)
    finally:
        con.close()


def _written(answerer: Answerer, parts: Any, out: Path | None) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import parquet

    found = pa.concat_tables(list(parts), promote_options="default")
    document: dict[str, Any] = {"version": answerer.name, "predictions": [], "rows": found.num_rows}
    if out is not None:
        parquet.write_table(found, out)
        return {**document, "file": str(out)}
    outputs = ("id", "score", "value", "label")
    signature = answerer.signature
    keys = [c.name for c in signature.key] + ([signature.time] if signature.time else [])
    for row in found.to_pylist():
        each: dict[str, Any] = {name: row[name] for name in outputs if name in row}
        if signature.task == "multiclass":
            each["scores"] = dict(row["scores"])
        key = {name: _text(row[name]) for name in keys if row.get(name) is not None}
        document["predictions"].append({**each, "key": key or None})
    return document


def _text(value: object) -> object:
    return value if isinstance(value, str | int | float | bool) else str(value)


def explain_row(work: Workplace, model: str, row: Mapping[str, object]) -> Explanation:
    """Why a row would be answered as it is."""
    answerer = answerer_of(work, model)
    return answerer.explain(answerer.answer([row], now=work.now()))[0]


def explain_prediction(work: Workplace, model: str, identity: str) -> Explanation:
    """Why a prediction was given, with the features as they were then. Raises NotFound."""
    name = model.partition("@")[0]
    work.project.model(name)
    logged = find(work.store, name, identity)
    if logged is None:
        raise NotFound(
            f"There is no prediction {identity!r} of {name}.",
            next_step="See predictions." + name + " with `rondo sql`.",
        )
    answerer = answerer_of(work, model_version(name, logged.version))
    return answerer.explain([answer_of(logged, answerer.signature)])[0]


def parsed_rows(text: str) -> list[Mapping[str, object]]:
    """A row, or a list of rows, as written in JSON on the command line."""
    import json

    try:
        given = json.loads(text)
    except ValueError as error:
        raise RowError(
            [(None, f"the row is not JSON: {error}")], next_step="Write --row '{\"usage\": 1.5}'."
        ) from error
    rows = given if isinstance(given, list) else [given]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise RowError([(None, "a row is an object of fields")], next_step="Write --row '{\"usage\": 1.5}'.")
    return rows
