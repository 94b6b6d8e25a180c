"""How a model was served, by the hour and by the day: rate, errors, latency, the log's disk and its way to the lake.

Measured from the service log, of which a line tells what one worker counted in a minute. Latency is of the requests
that were answered, seen by the server. A replay serves nobody and leaves no lines: nothing is examined then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from rondo.monitor.estimates import measurement_of
from rondo.monitor.windows import Window, day_window, window_of
from rondo.records.deployment import LATENCY_BOUNDS_S
from rondo.records.monitoring import Measurement
from rondo.sql.engine import literal, quote
from rondo.stats.histograms import bucket_quantile
from rondo.stats.proportions import proportion
from rondo.stats.results import Estimate

if TYPE_CHECKING:
    import pyarrow as pa

HOUR = timedelta(hours=1)
ABRUPT_ENDS = "abrupt_ends"
SILENT = timedelta(minutes=3)
"""A worker that has told nothing for so long (periods are a minute), and did not say `last`, was killed."""
_MOMENTS = ("at", "began", "ended")
_COLUMNS = ("server", "last", "requests", "refused", "failed", "latency", "log_write", "waiting_s")
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lines:
    """Lines of a service log (n,), times in microseconds since 1970; `latency` and `log_write` (n, buckets)."""

    at_us: Ints
    began_us: Ints
    ended_us: Ints
    server: npt.NDArray[np.str_]
    last: npt.NDArray[np.bool_]
    requests: Ints
    refused: Ints
    failed: Ints
    latency: Ints
    log_write: Ints
    waiting_s: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.at_us)


def service_query(relation: str, since: datetime) -> str:
    """The lines from a moment on of a relation such as `"service"."late"`, oldest first."""
    moments = [f"epoch_us({quote(name)}) as {name}_us" for name in _MOMENTS]
    columns = ", ".join([*moments, *map(quote, _COLUMNS)])
    return f'select {columns} from {relation} where "at" >= {literal(since)} order by "at", server, "number"'


def lines_of(rows: pa.Table) -> Lines:
    """What `service_query` gave. A line whose buckets are not today's is left out of the latencies alone."""
    width = len(LATENCY_BOUNDS_S) + 1

    def buckets(name: str) -> Ints:
        found = rows.column(name).to_pylist()
        known = [each if each is not None and len(each) == width else [0] * width for each in found]
        return np.asarray(known, dtype=np.int64).reshape(-1, width)

    def counts(name: str) -> Ints:
        return np.asarray(rows.column(name), dtype=np.int64)

    return Lines(
        at_us=counts("at_us"),
        began_us=counts("began_us"),
        ended_us=counts("ended_us"),
        server=np.asarray(rows.column("server").to_pylist(), dtype=np.str_),
        last=np.asarray(rows.column("last").to_pylist(), dtype=np.bool_),
        requests=counts("requests"),
        refused=counts("refused"),
        failed=counts("failed"),
        latency=buckets("latency"),
        log_write=buckets("log_write"),
        waiting_s=np.asarray(rows.column("waiting_s").to_pylist(), dtype=np.float64),
    )


def since_of(now: datetime, timezone: str, landed: datetime | None = None) -> datetime:
    """From when on lines are to be read: yesterday's beginning, or that of the day of the earliest line landed now."""
    first = min(now - timedelta(days=1), landed) if landed else now - timedelta(days=1)
    return day_window(first.astimezone(ZoneInfo(timezone)).date(), timezone).start


def measure_service(model: str, lines: Lines, *, timezone: str, now: datetime) -> list[Measurement]:
    """Every hour (of UTC) and every day of the project's timezone that has lines, oldest first; the last may still run.

    A line belongs to the window in which its period began. Per window: `requests`, `requests_per_s` while served,
    `error_share` (statuses from 500 on) and `refused_share` (4xx) with Wilson's intervals, `latency_p50_ms`,
    `latency_p99_ms` and `log_write_p99_ms` with intervals from order statistics opened to their buckets' edges,
    `log_lag_s` (the longest a prediction had waited for the lake, at most) and `abrupt_ends` (workers that were killed:
    what each counted after its last line, less than a period, is lost). No line: nothing.
    """
    if not len(lines):
        return []
    first, last = (datetime.fromtimestamp(t / 1e6, UTC) for t in (lines.at_us.min(), lines.at_us.max()))
    ends = _abrupt_ends(lines, now)
    found = []
    for windows in (hours(first, last), days(first, last, timezone)):
        places = window_of(lines.at_us, windows)
        for place in np.unique(places):
            chosen = places == place
            estimates = _estimates(lines, chosen, int((chosen & ends).sum()))
            found += [
                _measurement(model, each, windows[place], int(lines.requests[chosen].sum())) for each in estimates
            ]
    return sorted(found, key=lambda each: (each.start, each.end))


def hours(first: datetime, last: datetime) -> list[Window]:
    """The hours of UTC that hold both moments and all between them, oldest first."""
    start = first.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    found = []
    while start <= last:
        found.append(Window(start, start + HOUR))
        start += HOUR
    return found


def days(first: datetime, last: datetime, timezone: str) -> list[Window]:
    """The local days that hold both moments and all between them, oldest first."""
    zone = ZoneInfo(timezone)
    day, end = first.astimezone(zone).date(), last.astimezone(zone).date()
    return [day_window(day + timedelta(days=n), timezone) for n in range((end - day).days + 1)]


def _abrupt_ends(lines: Lines, now: datetime) -> npt.NDArray[np.bool_]:
    """Which lines are the last of a worker that did not say so, and would have told more by now if it lived."""
    found = np.zeros(len(lines), dtype=np.bool_)
    until = max(int(lines.ended_us.max()), int(now.timestamp() * 1e6))
    for server in np.unique(lines.server):
        mine = np.flatnonzero(lines.server == server)
        newest = mine[np.argmax(lines.ended_us[mine])]
        silent = timedelta(microseconds=until - int(lines.ended_us[newest]))
        found[newest] = not lines.last[mine].any() and silent > SILENT
    return found


def _estimates(lines: Lines, chosen: npt.NDArray[np.bool_], abrupt_ends: int) -> list[Estimate]:
    requests = int(lines.requests[chosen].sum())
    served_s = _covered_s(lines.began_us[chosen], lines.ended_us[chosen])
    rate = requests / served_s if served_s else None
    waited = lines.waiting_s[chosen]
    waited = waited[np.isfinite(waited)]
    lag = float(waited.max()) if len(waited) else None
    latency, log_write = lines.latency[chosen].sum(axis=0), lines.log_write[chosen].sum(axis=0)
    return [
        _exact("requests", float(requests), requests, unit="requests"),
        _exact("requests_per_s", rate, requests, unit="1/s"),
        proportion(int(lines.failed[chosen].sum()), requests, name="error_share", higher_is_better=False),
        proportion(int(lines.refused[chosen].sum()), requests, name="refused_share", higher_is_better=False),
        _milliseconds("latency_p50_ms", latency, 0.5),
        _milliseconds("latency_p99_ms", latency, 0.99),
        _milliseconds("log_write_p99_ms", log_write, 0.99),
        _exact("log_lag_s", lag, len(waited), unit="s", higher_is_better=False),
        _exact(ABRUPT_ENDS, float(abrupt_ends), int(chosen.sum()), unit="workers", higher_is_better=False),
    ]


def _exact(name: str, value: float | None, n: int, *, unit: str, higher_is_better: bool | None = None) -> Estimate:
    """What was counted, not estimated."""
    return Estimate(name, value, value, value, n, unit, higher_is_better)


def _milliseconds(name: str, counts: Ints, share: float) -> Estimate:
    bounds_ms = tuple(bound * 1_000 for bound in LATENCY_BOUNDS_S)
    return bucket_quantile(counts, bounds_ms, share, name=name, unit="ms", higher_is_better=False)


def _covered_s(began_us: Ints, ended_us: Ints) -> float:
    """For how long somebody served: the union of the periods, so that workers side by side count once."""
    order = np.argsort(began_us)
    reached = np.maximum.accumulate(ended_us[order])
    begins = np.maximum(began_us[order][1:], reached[:-1])
    return float(reached[0] - began_us[order][0] + np.maximum(ended_us[order][1:] - begins, 0).sum()) / 1e6


def _measurement(model: str, estimate: Estimate, window: Window, requests: int) -> Measurement:
    """One estimate as the ledger keeps it. That a worker is killed is wrong whatever else is declared."""
    measured = measurement_of(model, estimate, window, rows=requests)
    if estimate.name != ABRUPT_ENDS:
        return measured
    state = "out" if estimate.value else "within"
    return msgspec.structs.replace(measured, limit=0.0, state=state, side="above", basis="declared")
