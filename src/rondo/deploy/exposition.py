"""What a server tells Prometheus: the families of its metrics, and their text in both formats that scrapers read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

TEXT = b"text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
BOUNDS_S = (
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 10.0,
)  # fmt: skip
"""Upper bounds of the buckets of every histogram, in seconds; one more bucket holds what is above the last."""
Labels = tuple[str, ...]
Buckets = tuple[list[int], float]
"""How many fell into each bucket, and the sum of all."""
Samples = Mapping[str, Mapping[Labels, float | Buckets]]
"""By family and by the values of its labels: a number, or the buckets of a histogram."""


@dataclass(frozen=True)
class Family:
    """A metric: its name with unit, what it says, the names of its labels."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str


FAMILIES = (
    Family("rondo_requests_total", "counter", ("route", "status"), "Requests answered."),
    Family(
        "rondo_errors_total",
        "counter",
        ("route", "reason"),
        "Requests refused or failed, by why: not_json, unknown_field, too_large, rate, unauthorized, full, store, …",
    ),
    Family("rondo_request_seconds", "histogram", ("route",), "Time from the beginning of a request to its answer."),
    Family(
        "rondo_stage_seconds",
        "histogram",
        ("model", "stage"),
        "Time of each stage of a request for predictions: parse, look_up, predict, record.",
    ),
    Family("rondo_predictions_total", "counter", ("model", "version", "role"), "Predictions made and logged."),
    Family("rondo_missing_values_total", "counter", ("model", "table"), "Values fed to a model as null, by origin."),
    Family(
        "rondo_stale_lookups_total",
        "counter",
        ("model", "table"),
        "Look-ups that had a key, and found nothing known or nothing young enough.",
    ),
    Family("rondo_explanations_total", "counter", ("model",), "Predictions explained."),
    Family("rondo_outcomes_total", "counter", (), "Outcomes taken in."),
    Family("rondo_caller_predictions_total", "counter", ("caller", "model"), "Predictions by API key."),
    Family(
        "rondo_version_share_ratio",
        "gauge",
        ("model", "version", "role"),
        "Versions at work, and the part of the requests that each answers (a shadow: 0).",
    ),
    Family("rondo_log_waiting_bytes", "gauge", ("model",), "Logged and not yet in the lake."),
    Family("rondo_log_waiting_seconds", "gauge", ("model",), "At most so long the oldest of it has been waiting."),
    Family("rondo_ready", "gauge", (), "1 when requests are answered; 0 when /readyz says why not."),
    Family("rondo_open_connections", "gauge", ("worker",), "Connections of clients."),
    Family("rondo_resident_memory_bytes", "gauge", ("worker",), "Memory of the process."),
    Family("rondo_start_time_seconds", "gauge", ("worker",), "When the process began, since 1970."),
)


def counted(samples: Samples) -> Samples:
    """Counters and histograms alone: what a successor goes on from."""
    kept = {family.name for family in FAMILIES if family.kind != "gauge"}
    return {name: values for name, values in samples.items() if name in kept}


def merged(several: Sequence[Samples]) -> dict[str, dict[Labels, float | Buckets]]:
    """The sums of what several processes counted."""
    found: dict[str, dict[Labels, float | Buckets]] = {}
    for samples in several:
        for name, values in samples.items():
            mine = found.setdefault(name, {})
            for labels, value in values.items():
                mine[labels] = value if labels not in mine else _sum(mine[labels], value)
    return found


def _sum(one: float | Buckets, other: float | Buckets) -> float | Buckets:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return [a + b for a, b in zip(one[0], other[0], strict=True)], one[1] + other[1]
    assert not isinstance(one, tuple) and not isinstance(other, tuple)
    return one + other


def exposition(samples: Samples, *, openmetrics: bool = False) -> str:
    """Prometheus' text format 0.0.4, or OpenMetrics 1.0. Families without a sample are named all the same."""
    lines = [line for family in FAMILIES for line in _lines(family, samples.get(family.name, {}), openmetrics)]
    return "\n".join([*lines, *(["# EOF"] if openmetrics else [])]) + "\n"


def wants_openmetrics(accept: bytes | None) -> bool:
    """Whether an Accept header asks for OpenMetrics."""
    return accept is not None and b"application/openmetrics-text" in accept.lower()


def _lines(family: Family, values: Mapping[Labels, float | Buckets], openmetrics: bool) -> Iterator[str]:
    told = family.name.removesuffix("_total") if openmetrics and family.kind == "counter" else family.name
    yield f"# HELP {told} {family.help}"
    yield f"# TYPE {told} {family.kind}"
    unit = told.rpartition("_")[2]
    if openmetrics and unit in ("seconds", "bytes", "ratio"):
        yield f"# UNIT {told} {unit}"
    for labels, value in sorted(values.items()):
        pairs = [f'{name}="{_quoted(label)}"' for name, label in zip(family.labels, labels, strict=True)]
        if isinstance(value, tuple):
            yield from _histogram(family.name, pairs, value)
        else:
            yield f"{family.name}{_braced(pairs)} {_number(value)}"


def _histogram(name: str, pairs: list[str], value: Buckets) -> Iterator[str]:
    buckets, seconds = value
    so_far = 0
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), buckets, strict=True):
        so_far += count
        within = _braced([*pairs, f'le="{bound}"'])
        yield f"{name}_bucket{within} {so_far}"
    yield f"{name}_sum{_braced(pairs)} {seconds:.6f}"
    yield f"{name}_count{_braced(pairs)} {so_far}"


def _braced(pairs: Sequence[str]) -> str:
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _number(value: float) -> str:
    return repr(int(value) if float(value).is_integer() else float(value))


def _quoted(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
