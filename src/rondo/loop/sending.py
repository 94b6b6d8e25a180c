"""Asking a running server about known rows over HTTP, and reporting what became of them: a loop shown at work."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rondo.deploy.rollout import roles
from rondo.errors import Broken
from rondo.loop.planning import newest
from rondo.loop.versions import dataset_of, signature_of
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.records.development import Version
from rondo.records.progress import Progress, silent
from rondo.sql.engine import connect, literal, quote
from rondo.sql.relations import rows_of

ROWS_A_REQUEST = 50
TIMEOUT_S = 60


@dataclass(frozen=True)
class Exchange:
    """What was sent and answered: the first row with its explanation among it."""

    model: str
    predictions: int
    outcomes: int
    row: dict[str, Any]
    explanation: dict[str, Any]
    seconds: float


class Client:
    """Asks one server, with a key where there is one. Raises Broken for whatever it does not answer with 200."""

    def __init__(self, url: str, *, key: str | None = None, certificate: Path | None = None) -> None:
        """`certificate` is a file that the server shows and is believed by itself, whatever name it bears."""
        self._url = url
        self._headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        self._context = _believing(certificate) if certificate else None

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a JSON body."""
        url = f"{self._url}{path}"
        request = urllib.request.Request(url, json.dumps(body, default=str).encode(), self._headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=self._context) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            said = f"{url} answered {error.code}: {error.read().decode()[:500]}"
            if error.code in (401, 403):
                raise Broken(said, next_step="Set RONDO_KEY to a key with the scopes that this needs.") from error
            raise Broken(said, next_step="See the server's messages.") from error
        except OSError as error:
            raise Broken(f"{url} did not answer: {error}.", next_step="See the server's messages.") from error


def _believing(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def exchange(
    work: Workplace, model: Model, client: Client, rows: int, *, progress: Progress = silent
) -> Exchange | None:
    """Send the newest examples of a model as requests, their outcomes after them; None while nothing is at work."""
    at_work = roles(work.store.ledger, model.name)
    if "production" not in at_work:
        return None
    started = time.monotonic()
    asked, outcomes = _known_rows(work, model, at_work["production"].record.version, rows)
    if not asked:
        return None
    ids: list[str] = []
    many, accepted = min(ROWS_A_REQUEST, work.project.settings.serving.most_rows), 0
    for place in range(0, len(asked), many):
        progress(place / len(asked), f"asking {model.name} over HTTP")
        answer = client.post(f"/v1/models/{model.name}/predict", {"rows": asked[place : place + many]})
        given = [prediction["id"] for prediction in answer["predictions"]]
        pairs = zip(given, outcomes[place : place + many], strict=True)
        reported = [{"id": identity, **outcome} for identity, outcome in pairs]
        accepted += client.post("/v1/outcomes", {"outcomes": reported})["accepted"]
        ids += given
    explanation = client.post(f"/v1/models/{model.name}/explain", {"id": ids[0]})
    return Exchange(model.name, len(ids), accepted, asked[0], explanation, time.monotonic() - started)


def _known_rows(
    work: Workplace, model: Model, number: int, rows: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the version's test split as requests, and their outcomes with the moment each became known."""
    entry = work.store.ledger.latest(Version, name=model.name, version=number)
    table = newest(work.store.ledger, model.examples)
    assert entry is not None
    assert table is not None
    signature = signature_of(work, model.name, number)
    examples = work.project.tables[model.examples]
    names = dict.fromkeys([*(c.name for c in signature.request), *([examples.time] if examples.time else [])])
    known = quote(examples.label_known) if examples.label_known else "null"
    first, last = dataset_of(work, entry.record).moments.get("test", (None, None))
    within = f"{quote(examples.label or '')} is not null"
    if examples.time and first and last:
        within += f" and {quote(examples.time)} between {literal(first)} and {literal(last)}"
    con = connect(timezone=work.project.settings.timezone)
    try:
        items = [*map(quote, names), f"{quote(examples.label or '')} as _outcome", f"{known} as _known"]
        order = ", ".join(["hash(" + ", ".join(map(quote, names)) + ")", *map(quote, names)])
        rows_known = f"select {', '.join(items)} from {rows_of(table, work.store.lake)} where {within}"
        query = f"{rows_known} order by {order} limit {rows}"
        found = con.sql(query).to_arrow_table().to_pylist()
    finally:
        con.close()
    outcomes = [{"outcome": row.pop("_outcome"), "known": row.pop("_known")} for row in found]
    return [_plain(row) for row in found], [_plain(outcome) for outcome in outcomes]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
