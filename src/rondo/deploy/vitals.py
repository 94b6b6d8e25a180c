"""How the server is, looked up when a scraper asks: versions at work, what waits in the log, the process."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rondo.deploy.exposition import Labels, Samples
from rondo.deploy.predictions import stream_of
from rondo.records.deployment import PredictionsLanded
from rondo.records.versions import model_version
from rondo.store.opening import Store

if TYPE_CHECKING:
    from rondo.deploy.traffic import AtWork

_PAGE_BYTES = resource.getpagesize()


def shares(at_work: Mapping[str, AtWork]) -> Samples:
    """The part of the requests that each version answers."""
    found: dict[Labels, float] = {}
    for name, working in at_work.items():
        given = {role: entry.record.share for role, entry in working.roles.items()}
        for role, entry in working.roles.items():
            share = 1.0 - given.get("canary", 0.0) if role == "production" else given[role]
            found[name, model_version(name, entry.record.version), role] = share
    return {"rondo_version_share_ratio": found}


def log_waiting(store: Store, models: Iterable[str], now: datetime) -> Samples:
    """Bytes of each model's log that are not in the lake, and for how long at most, by the project's clock."""
    waiting_bytes: dict[Labels, float] = {}
    waiting_seconds: dict[Labels, float] = {}
    for model in models:
        newest = store.ledger.entries(PredictionsLanded, name=model, limit=2, newest_first=True)
        confirmed = next((entry for entry in newest if entry.record.rows), None)
        landed = confirmed.record.segments if confirmed else {}
        waiting = {
            name: size - landed.get(name, 0)
            for name, size in store.log.sizes(stream_of(model)).items()
            if size > landed.get(name, 0)
        }
        # What was logged before a landing began is in the lake: the rest of its segments is younger.
        since = min((confirmed.at if confirmed and name in landed else _begun(name) for name in waiting), default=now)
        waiting_bytes[(model,)] = float(sum(waiting.values()))
        waiting_seconds[(model,)] = max(0.0, (now - since).total_seconds())
    return {"rondo_log_waiting_bytes": waiting_bytes, "rondo_log_waiting_seconds": waiting_seconds}


def process(worker: int, began: float, connections: int) -> Samples:
    """Memory, beginning (seconds since 1970) and connections of this process."""
    label = (str(worker),)
    return {
        "rondo_open_connections": {label: float(connections)},
        "rondo_resident_memory_bytes": {label: float(resident_bytes())},
        "rondo_start_time_seconds": {label: began},
    }


def resident_bytes() -> int:
    """Memory of this process."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:  # no Linux: the most it ever was
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if os.uname().sysname == "Darwin" else peak << 10


def _begun(segment: str) -> datetime:
    """When a segment began, which its name begins with."""
    return datetime.strptime(segment.partition("-")[0], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
