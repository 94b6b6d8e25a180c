"""The service log: what each worker of a server counted, a line a model and minute, apart from the path of requests.

The counts are read where they stand and appended to a log of their own, on a thread that no request waits for. A line
tells what came since the line before, so that sums over workers and restarts never go back; a worker that is killed
takes at most the period with it that had begun, and its last line does not say `last`. Landing takes up what the lake
says it has, so that a death at any moment loses and doubles no line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import msgspec

from rondo.deploy.counting import REFUSED, Counts, Totals
from rondo.deploy.vitals import log_waiting, resident_bytes
from rondo.errors import RondoError
from rondo.records.deployment import LATENCY_BOUNDS_S
from rondo.stats.histograms import bucket_value
from rondo.store.locks import held
from rondo.store.log import PredictionLog
from rondo.store.opening import Store

if TYPE_CHECKING:
    import pyarrow as pa

PERIOD_S = 60.0
SEGMENT_BYTES = 1 << 20
MOST_BYTES = 64 << 20
"""Lines of a model that nobody lands take at most about so much room: the oldest segments make way."""
KEPT = timedelta(days=400)
SLACK = timedelta(days=10)
FILES_JOINED = 100
UNREAD_S = 3600
FAILED = 500
_NOTHING = Totals()


class ServicePeriod(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a worker counted of one model between `began` and `ended` (the wall's clock); a line of the log.

    `at` is when the period began by the project's clock, `server` names the worker's process, `number` counts its
    lines of this model. `latency` and `log_write` are counts by bucket of `LATENCY_BOUNDS_S`, with the sum in seconds;
    see `Totals`. `waiting_s` is how long the oldest prediction had waited for the lake at most. Fields are only added,
    at the end and with a default.
    """

    worker: int
    server: str
    number: int
    at: datetime
    began: datetime
    ended: datetime
    statuses: dict[int, int]
    reasons: dict[str, int]
    predictions: int
    missing: dict[str, int]
    stale: dict[str, int]
    latency: list[int]
    latency_s: float
    log_write: list[int]
    log_write_s: float
    waiting_bytes: int | None
    waiting_s: float | None
    resident_bytes: int
    last: bool


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(ServicePeriod).decode


def stream_of(model: str) -> str:
    """The service log's stream of a model."""
    return model


def path_of(model: str) -> str:
    """Where a model's lines are in the lake."""
    return f"service/{model}"


def service_log(store: Store) -> PredictionLog:
    """The log of lines: not that of predictions, so that neither waits for the other."""
    return PredictionLog(store.folder / "service", clock=store.clock, segment_bytes=SEGMENT_BYTES)


class Due(NamedTuple):
    """Counts as they stood at a moment, to be told."""

    turn: int
    at: datetime
    ended: datetime
    models: frozenset[str]
    totals: Mapping[str, Totals]
    last: bool


class _Told(NamedTuple):
    """Until when, and how much, a model's lines have told."""

    at: datetime
    ended: datetime
    number: int
    totals: Totals


class ServiceReport:
    """What one worker tells of itself: `due` in the thread that counts, `write` in any other."""

    def __init__(
        self,
        store: Store,
        counts: Counts,
        *,
        worker: int = 0,
        clock: Callable[[], datetime] | None = None,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        period_s: float = PERIOD_S,
    ) -> None:
        self._store, self._counts, self._worker, self._period_s = store, counts, worker, period_s
        self._clock, self._wall = clock or store.clock, wall
        self._log = service_log(store)
        self._server = uuid4().hex[:12]
        self._turns = 0
        self._lock = threading.Lock()
        self._written = 0
        self._until = (self._clock(), wall())
        self._told: dict[str, _Told] = {}

    def wait_s(self) -> float:
        """How long until the period ends: at a whole minute of the wall's clock, so that workers tell the same ones."""
        left = self._period_s - time.time() % self._period_s
        return left if left > self._period_s / 10 else left + self._period_s

    def due(self, models: Iterable[str], *, last: bool = False) -> Due:
        """The counts as they stand. `models` are at work, and told of even where nobody asked them."""
        self._turns += 1
        return Due(self._turns, self._clock(), self._wall(), frozenset(models), self._counts.totals(), last)

    def write(self, due: Due) -> int:
        """Appends what was not told yet, a line a model; gives how many. Raises LogFull, StoreError: told next time."""
        with self._lock:
            if due.turn <= self._written:
                return 0
            models = sorted(due.models | due.totals.keys())
            waiting = self._waiting(models, due.at)
            for model in models:
                before = self._told.get(model) or _Told(*self._until, 0, _NOTHING)
                totals = due.totals.get(model, _NOTHING)
                line = self._line(before, totals.since(before.totals), due, waiting.get(model))
                self._log.append(stream_of(model), [_encode(line)])
                self._told[model] = _Told(due.at, due.ended, before.number + 1, totals)
                self._make_room(model)
            self._written, self._until = due.turn, (due.at, due.ended)
            if due.last:
                self._log.close()
            return len(models)

    def _line(self, before: _Told, totals: Totals, due: Due, waiting: tuple[int, float] | None) -> ServicePeriod:
        return ServicePeriod(
            worker=self._worker,
            server=self._server,
            number=before.number,
            at=before.at,
            began=before.ended,
            ended=max(due.ended, before.ended),  # the wall's clock may be set back
            statuses=dict(totals.statuses),
            reasons=dict(totals.reasons),
            predictions=totals.predictions,
            missing=dict(totals.missing),
            stale=dict(totals.stale),
            latency=totals.latency[0],
            latency_s=totals.latency[1],
            log_write=totals.log_write[0],
            log_write_s=totals.log_write[1],
            waiting_bytes=waiting[0] if waiting else None,
            waiting_s=waiting[1] if waiting else None,
            resident_bytes=resident_bytes(),
            last=due.last,
        )

    def _waiting(self, models: Iterable[str], now: datetime) -> dict[str, tuple[int, float]]:
        """Bytes and seconds of each model's predictions that wait for the lake; nothing where that cannot be told."""
        with suppress(RondoError, OSError):
            found = log_waiting(self._store, models, now)
            seconds = found["rondo_log_waiting_seconds"]
            return {
                labels[0]: (int(waits), float(seconds[labels]))  # type: ignore[arg-type]  # numbers, both
                for labels, waits in found["rondo_log_waiting_bytes"].items()
            }
        return {}

    def _make_room(self, model: str) -> None:
        sizes = self._log.sizes(stream_of(model))
        total = sum(sizes.values())
        for segment, size in sizes.items():
            if total <= MOST_BYTES or not self._log.drop(stream_of(model), segment, size):
                return
            total -= size


def land(store: Store, model: str, *, now: datetime) -> datetime | None:
    """Moves a model's lines into the lake, each once; gives the beginning (`at`) of the earliest, None without any.

    Lines of more than 400 days ago are erased.
    """
    log, stream = service_log(store), stream_of(model)
    if not log.segments(stream):
        return None
    with held(store.folder / "service" / f".{model}.lock"):
        landed = _landed(store, model, log.segments(stream))
        found = [(segment, end, decode(payload)) for segment, end, payload in log.read(stream, landed)]
        if found:
            store.lake.write(path_of(model), _table(found), mode="append")
            landed |= {segment: end for segment, end, _ in found}
        for segment in log.segments(stream):
            log.drop(stream, segment, landed.get(segment, 0))
        if found:
            _expire(store, model, now)
            if len(store.lake.files(path_of(model))) > FILES_JOINED:
                store.lake.tidy(path_of(model), unread_s=UNREAD_S)
    return min((line.at for _, _, line in found), default=None)


def _landed(store: Store, model: str, segments: list[str]) -> dict[str, int]:
    """How far each segment is in the lake, by the lake: what a landing that died has done is done."""
    if store.lake.version(path_of(model)) is None:
        return {}
    import pyarrow.dataset as ds

    rows = ds.dataset(store.lake.files(path_of(model)), schema=store.lake.schema(path_of(model)), format="parquet")
    there = rows.to_table(columns=["segment", "offset"], filter=ds.field("segment").isin(segments))
    far = there.group_by("segment").aggregate([("offset", "max")])
    return dict(zip(far.column("segment").to_pylist(), far.column("offset_max").to_pylist(), strict=True))


def _table(found: list[tuple[str, int, ServicePeriod]]) -> pa.Table:
    """Lines as the lake's columns, with sums and quantiles that SQL need not make from buckets."""
    import pyarrow as pa

    moment, counts = pa.timestamp("us", tz="UTC"), pa.map_(pa.string(), pa.int64())
    lines = [line for _, _, line in found]

    def quantile(buckets: list[int], share: float) -> float | None:
        value = bucket_value(buckets, LATENCY_BOUNDS_S, share)
        return None if value is None else value * 1_000

    def requests(line: ServicePeriod, first: int, after: int) -> int:
        return sum(count for status, count in line.statuses.items() if first <= status < after)

    columns: dict[str, tuple[list[object], pa.DataType]] = {
        "at": ([line.at for line in lines], moment),
        "began": ([line.began for line in lines], moment),
        "ended": ([line.ended for line in lines], moment),
        "worker": ([line.worker for line in lines], pa.int64()),
        "server": ([line.server for line in lines], pa.string()),
        "number": ([line.number for line in lines], pa.int64()),
        "last": ([line.last for line in lines], pa.bool_()),
        "requests": ([sum(line.statuses.values()) for line in lines], pa.int64()),
        "answered": ([requests(line, 0, REFUSED) for line in lines], pa.int64()),
        "refused": ([requests(line, REFUSED, FAILED) for line in lines], pa.int64()),
        "failed": ([requests(line, FAILED, 1_000) for line in lines], pa.int64()),
        "reasons": ([line.reasons for line in lines], counts),
        "predictions": ([line.predictions for line in lines], pa.int64()),
        "missing": ([line.missing for line in lines], counts),
        "stale": ([line.stale for line in lines], counts),
        "latency_p50_ms": ([quantile(line.latency, 0.5) for line in lines], pa.float64()),
        "latency_p99_ms": ([quantile(line.latency, 0.99) for line in lines], pa.float64()),
        "latency_s": ([line.latency_s for line in lines], pa.float64()),
        "latency": ([line.latency for line in lines], pa.list_(pa.int64())),
        "log_write_p99_ms": ([quantile(line.log_write, 0.99) for line in lines], pa.float64()),
        "log_write_s": ([line.log_write_s for line in lines], pa.float64()),
        "log_write": ([line.log_write for line in lines], pa.list_(pa.int64())),
        "waiting_bytes": ([line.waiting_bytes for line in lines], pa.int64()),
        "waiting_s": ([line.waiting_s for line in lines], pa.float64()),
        "resident_bytes": ([line.resident_bytes for line in lines], pa.int64()),
        "segment": ([segment for segment, _, _ in found], pa.string()),
        "offset": ([end for _, end, _ in found], pa.int64()),
    }
    return pa.table(
        {
            name: pa.array([list(v.items()) if isinstance(v, dict) else v for v in values], kind)
            for name, (values, kind) in columns.items()
        }
    )


def _expire(store: Store, model: str, now: datetime) -> None:
    before = now - KEPT
    oldest = store.lake.least(path_of(model), "at")
    if oldest is not None and oldest < before - SLACK:
        store.lake.erase(path_of(model), ["at"], lambda rows: [at < before for at in rows.column("at").to_pylist()])
