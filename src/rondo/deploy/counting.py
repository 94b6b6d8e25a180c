"""What a server counts, in the text format that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Counts:
    """Requests, predictions and latencies of one server process. Not for several threads."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._predictions: Counter[tuple[str, str, str]] = Counter()
        self._missing: Counter[str] = Counter()
        self._outcomes = 0
        self._buckets: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def request(self, route: str, status: int, seconds: float) -> None:
        """One request ended."""
        self._requests[route, status] += 1
        buckets = self._buckets.setdefault(route, [0] * (len(BOUNDS_S) + 1))
        buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]  # a Counter holds floats as well

    def predictions(self, model: str, version: str, role: str, rows: int, missing: int) -> None:
        """Predictions of a version were given; `missing` of their fed values were null."""
        self._predictions[model, version, role] += rows
        self._missing[model] += missing

    def outcomes(self, rows: int) -> None:
        """Outcomes were taken in."""
        self._outcomes += rows

    def text(self) -> str:
        """Prometheus' text exposition format, version 0.0.4."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "# HELP rondo_requests_total Requests answered, by route and status."
        yield "# TYPE rondo_requests_total counter"
        for (route, status), count in sorted(self._requests.items()):
            yield f'rondo_requests_total{{route="{_quoted(route)}",status="{status}"}} {count}'
        yield "# HELP rondo_errors_total Requests that failed, by route."
        yield "# TYPE rondo_errors_total counter"
        for route in sorted(self._buckets):
            failed = sum(count for (of, status), count in self._requests.items() if of == route and status >= 400)
            yield f'rondo_errors_total{{route="{_quoted(route)}"}} {failed}'
        yield "# HELP rondo_predictions_total Predictions given, by version and role."
        yield "# TYPE rondo_predictions_total counter"
        for (model, version, role), count in sorted(self._predictions.items()):
            labels = f'model="{_quoted(model)}",version="{_quoted(version)}",role="{role}"'
            yield f"rondo_predictions_total{{{labels}}} {count}"
        yield "# HELP rondo_missing_values_total Values that a model was fed as null."
        yield "# TYPE rondo_missing_values_total counter"
        for model, count in sorted(self._missing.items()):
            yield f'rondo_missing_values_total{{model="{_quoted(model)}"}} {count}'
        yield "# HELP rondo_outcomes_total Outcomes taken in."
        yield "# TYPE rondo_outcomes_total counter"
        yield f"rondo_outcomes_total {self._outcomes}"
        yield "# HELP rondo_request_seconds Time from a request's body to its answer."
        yield "# TYPE rondo_request_seconds histogram"
        for route, buckets in sorted(self._buckets.items()):
            yield from self._histogram(_quoted(route), buckets, self._seconds[route])

    @staticmethod
    def _histogram(route: str, buckets: list[int], seconds: float) -> Iterator[str]:
        so_far = 0
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), buckets, strict=True):
            so_far += count
            yield f'rondo_request_seconds_bucket{{route="{route}",le="{bound}"}} {so_far}'
        yield f'rondo_request_seconds_sum{{route="{route}"}} {seconds:.6f}'
        yield f'rondo_request_seconds_count{{route="{route}"}} {so_far}'


def _quoted(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
