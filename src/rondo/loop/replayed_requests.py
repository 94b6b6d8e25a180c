"""The questions of a replay: each answered by the version in production at its moment, one in a hundred over HTTP.

What goes over HTTP is asked of a real server of the replay's state, whose features come from an online store; what
`answer` says to the same row, its features from the as-of join, must be the same. Every answer is logged once: by the
server what it answered, by the replay the rest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from rondo.data.publishing import put_online
from rondo.deploy.answering import Answer, Answerer
from rondo.deploy.loopback import Loopback, served
from rondo.deploy.predictions import record
from rondo.deploy.rehearsing import TOLERANCE
from rondo.deploy.rollout import roles
from rondo.deploy.traffic import Traffic
from rondo.features.signature import Lookup
from rondo.features.values import OnlineValues
from rondo.loop.replayed_history import History, HistoryValues, asked
from rondo.loop.versions import packed_version
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.sql.engine import literal, quote
from rondo.store.online import Online, open_online

AHEAD = timedelta(days=7)
"""So much is looked up and scored at once; it counts only where the same version is still in production then."""
ONLINE = timedelta(days=31)
"""So far ahead the online values reach before they are published anew."""
EVERY = 100
CALLER = "replay"
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass
class ReplayClock:
    """A clock that is set by hand."""

    moment: datetime

    def __call__(self) -> datetime:
        """The moment it was set to."""
        return self.moment


@dataclass(frozen=True)
class Answered:
    """A question with its answer, what it came to as far as is known in the end, and the row that was asked."""

    answer: Answer
    label: object
    row: Mapping[str, Any]


@dataclass
class Counted:
    """What was asked, what of it over HTTP, and how often that was answered otherwise; the first few told."""

    predictions: int = 0
    requests: int = 0
    differences: int = 0
    told: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def spent(self, stage: str, since: float) -> None:
        """Add the time since then to a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - since


@dataclass
class _Ahead:
    """Questions answered ahead by one version, up to `until`; those before `place` have been played."""

    answerer: Answerer
    until: datetime
    found: list[Answered]
    place: int = 0


class Questions:
    """Asks what was asked. A context manager: the server it starts at need ends with it.

    `seen` is called with the version's answerer and the answers of each stretch, when they are logged.
    """

    def __init__(
        self,
        work: Workplace,
        clock: ReplayClock,
        history: History,
        counted: Counted,
        seen: Callable[[Answerer, list[Answered]], None],
    ) -> None:
        self._work, self._clock, self._history, self._counted, self._seen = work, clock, history, counted, seen
        self._values = HistoryValues(work, history)
        self._ahead: dict[str, _Ahead] = {}
        self._asked: dict[str, int] = {}
        self._server = _Server(work, self._values)

    def __enter__(self) -> Questions:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def play(self, model: Model, since: datetime, until: datetime) -> None:
        """Ask all of a model's questions from `since` to before `until`; none while nothing is in production."""
        production = roles(self._work.store.ledger, model.name).get("production")
        if production is None:
            return
        version = production.record.version
        while since < until:
            ahead = self._ahead.get(model.name)
            if ahead is None or ahead.answerer.version != version or ahead.until <= since:
                self._ahead[model.name] = ahead = self._scored(model, version, since)
            border = min(until, ahead.until)
            self._log(model, ahead.answerer, list(_before(ahead, border)))
            since = border

    def ran(self) -> None:
        """A run has ended: other versions may be at work, and tables have landed anew."""
        self._server.ran()

    def _scored(self, model: Model, version: int, since: datetime) -> _Ahead:
        """The next stretch: what one version answers to all that is asked in it."""
        began = time.monotonic()
        until = min(since + AHEAD, self._history.end)
        answerer = Answerer(packed_version(self._work, model.name, version), self._values, version, ids="derived")
        rows, labels = asked(self._history, self._work, model, answerer.signature, since, until)
        answers = answerer.answer(rows, now=since, role="production")
        found = [
            Answered(msgspec.structs.replace(answer, at=answer.moment), label, row)
            for answer, label, row in zip(answers, labels, rows, strict=True)
        ]
        self._counted.spent("predict", began)
        return _Ahead(answerer, until, found)

    def _log(self, model: Model, answerer: Answerer, found: list[Answered]) -> None:
        """Log the answers; every hundredth is given by the server, and logged there."""
        if not found:
            return
        before = self._asked.get(model.name, 0)
        self._asked[model.name] = before + len(found)
        began = time.monotonic()
        over_http = range(-before % EVERY, len(found), EVERY)
        logged = {place for place in over_http if self._over_http(model, found[place])}
        self._counted.spent("http", began)
        began = time.monotonic()
        direct = [each.answer for place, each in enumerate(found) if place not in logged]
        record(self._work.store.log, model.name, direct, caller=CALLER, latency_ms=None)
        self._counted.predictions += len(found)
        self._seen(answerer, found)
        self._counted.spent("predict", began)

    def _over_http(self, model: Model, each: Answered) -> bool:
        """Ask the server; whether it answered, and so has logged it."""
        self._clock.moment = each.answer.moment
        status, body = self._server.ask(model.name, each)
        self._counted.requests += 1
        differs = _difference(status, body, each.answer)
        if differs is not None:
            self._counted.differences += 1
            self._counted.told.append(differs)
        return status == 200


def _before(ahead: _Ahead, border: datetime) -> Iterator[Answered]:
    while ahead.place < len(ahead.found) and ahead.found[ahead.place].answer.moment < border:
        yield ahead.found[ahead.place]
        ahead.place += 1


def _difference(status: int, body: bytes, answer: Answer) -> str | None:
    """How the server's answer differs from `answer`'s; None where it is the same."""
    if status != 200:
        return f"{answer.id}: {status} {body.decode(errors='replace')[:200]}"
    given = _decode(body)["predictions"][0]
    expected = _decode(_encode(answer.document()))
    if given.keys() != expected.keys():
        return f"{answer.id}: {sorted(given)} over HTTP, {sorted(expected)} by answer"
    for name, value in expected.items():
        if not _same(value, given[name]):
            return f"{answer.id}: {name} is {given[name]} over HTTP, {value} by answer"
    return None


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(a == b)


class _Server:
    """The prediction server of the replay's state, started at the first request."""

    def __init__(self, work: Workplace, values: HistoryValues) -> None:
        self._work, self._values = work, values
        self._folder = work.store.folder / "history" / "online"
        self._stack = ExitStack()
        self._online: Online | None = None
        self._traffic: Traffic | None = None
        self._asking: Loopback | None = None
        self._reaching: dict[str, datetime] = {}

    def ask(self, model: str, each: Answered) -> tuple[int, bytes]:
        """Status and body of what the server answers to a row that brings its moment."""
        if self._asking is None:
            self._start()
        assert self._asking is not None and self._traffic is not None
        for lookup in self._traffic.at_work[model].production.signature.lookups:
            if each.answer.moment >= self._reaching.get(lookup.space, each.answer.moment):
                self._publish(lookup, each.answer.moment)
        return self._asking.post(f"/v1/models/{model}/predict", _encode({"rows": [each.row]}))

    def ran(self) -> None:
        """Takes up what a run has put to work, and what has landed of tables that history does not tell of."""
        if self._traffic is not None:
            self._traffic.refresh()
            self._reaching.clear()

    def close(self) -> None:
        """Ends the server."""
        self._stack.close()

    def _start(self) -> None:
        self._online = open_online(f"lmdb://{self._folder}")
        values = OnlineValues(self._online, self._values)
        self._traffic = Traffic(self._work.project, self._work.store, values=values, ids="derived")
        self._traffic.refresh()
        self._asking = self._stack.enter_context(served(self._traffic, self._work.store))

    def _publish(self, lookup: Lookup, moment: datetime) -> None:
        """Online values of a look-up that answer at this moment and for a month more."""
        relation, version = self._values.published_from(lookup)
        self._reaching[lookup.space] = until = moment + ONLINE
        if lookup.known is not None:
            relation = f"(select * from {relation} where {quote(lookup.known)}::timestamptz <= {literal(until)})"
        assert self._online is not None
        put_online(
            lookup, self._online, store=self._work.store, project=self._work.project, relation=relation,
            table_version=version, now=moment,
        )  # fmt: skip
