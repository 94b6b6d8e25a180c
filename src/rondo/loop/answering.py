"""Answers outside the server: rows, files and tables through the same `answer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rondo.deploy.answering import Answer, Answerer, explain_answers
from rondo.deploy.batch import predict_file, predict_relation, write_answers
from rondo.deploy.logged import Logged, answer_of
from rondo.deploy.predictions import find, record
from rondo.deploy.resolving import resolve
from rondo.deploy.traffic import Traffic
from rondo.errors import NotFound, RowError
from rondo.loop.versions import packed_version
from rondo.loop.workplace import Workplace
from rondo.records.development import Explanation
from rondo.records.progress import Progress, silent
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


class Live:
    """A project that answers as its server does, for a program that goes on asking."""

    def __init__(self, work: Workplace) -> None:
        self.work = work
        self._traffic = Traffic(work.project, work.store)

    def answer(self, model: str, row: Mapping[str, object], *, caller: str) -> Answer:
        """By production, or the canary for its share, and logged in that role before it is given.

        Raises RowError; Refused while nothing is in production.
        """
        self._traffic.refresh()
        at_work, now = self._traffic.of(model), self.work.now()
        asking = at_work.asking([row], now)
        [answer] = answers = at_work.answer(asking, now=now)
        record(self.work.store.log, model, answers, caller=caller, latency_ms=None)
        beside = at_work.beside(asking, answers, now=now)
        if beside:
            record(self.work.store.log, model, beside, caller=caller, latency_ms=None)
        return answer


def answer_file(work: Workplace, model: str, file: Path, out: Path, *, progress: Progress = silent) -> dict[str, Any]:
    """Answer a file into another; the predictions are logged, without a role."""
    answerer = answerer_of(work, model)
    rows = predict_file(answerer, file, out, now=work.now(), log=work.store.log, caller=CALLER, progress=progress)
    return {"version": answerer.name, "predictions": [], "rows": rows, "file": str(out)}


def answer_table(
    work: Workplace, model: str, table: str, out: Path | None, *, progress: Progress = silent
) -> dict[str, Any]:
    """Answer the rows of a table, a test set written in SQL, or a query: into a file, or as documents.

    The file is CSV, Parquet or JSON lines, by its name.
    """
    answerer = answerer_of(work, model)
    testset = work.project.testsets.get(table)
    if testset is not None and testset.sql is not None and table not in work.project.names:
        table = f"select * from ({testset.sql.strip().rstrip(';')}\n)"
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

    document: dict[str, Any] = {"version": answerer.name, "predictions": []}
    if out is not None:
        return {**document, "rows": write_answers(parts, out), "file": str(out)}
    answered = list(parts)
    if not answered:
        return {**document, "rows": 0}
    found = pa.concat_tables(answered, promote_options="default")
    document["rows"] = found.num_rows
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
    found = prediction_by_id(work, identity, name)
    if found is None:
        raise NotFound(
            f"There is no prediction {identity!r} of {name}.",
            next_step="See predictions." + name + " with `rondo sql`.",
        )
    return explain_logged(work, name, found[1])


def prediction_by_id(work: Workplace, identity: str, model: str | None = None) -> tuple[str, Logged] | None:
    """The model that gave a prediction, and the prediction as it was logged; None where no model knows the id.

    `model` says whose it is; without, all are asked. Raises NotFound for a model that is not.
    """
    names = list(work.project.models) if model is None else [work.project.model(model).name]
    for name in names:
        logged = find(work.store, name, identity)
        if logged is not None:
            return name, logged
    return None


def explain_logged(work: Workplace, model: str, logged: Logged) -> Explanation:
    """Why a prediction came out as it did, by the version that gave it and the features as they were then."""
    packed = packed_version(work, model, logged.version)
    return explain_answers(packed, [answer_of(logged, packed.signature)])[0]


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
