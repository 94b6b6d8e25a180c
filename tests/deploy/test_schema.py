"""`/openapi.json` holds: Schemathesis asks what it allows and what it does not, and finds every answer in it."""

from __future__ import annotations

import io
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance

from rondo.deploy.request_log import RequestLog
from rondo.deploy.rollout import promote
from rondo.deploy.serving import Application
from rondo.deploy.traffic import Traffic

# Of the other protocols a schema cannot say all: that a tensor's data fill its shape, that columns are of one length.
OURS = {
    "/v1/models/late/predict", "/v1/models/late/explain", "/v1/outcomes", "/v1/models", "/v1/models/late", "/healthz",
    "/readyz", "/metrics",
}  # fmt: skip

# A schema cannot bound a time: at either end of the calendar it has no hour in the project's timezone.
EDGE = re.compile("(0001|9999)-")


@pytest.fixture
def schema(place, now):
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    traffic = Traffic(place.project, place.store)
    traffic.refresh()
    application = Application(traffic, place.store, log=RequestLog(io.StringIO()))
    return schemathesis.openapi.from_asgi("/openapi.json", application)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_the_document_says(schema, mode):
    wrong, asked, seen = [], 0, set()
    for found in schema.get_all_operations():
        operation = found.ok()
        seen.add(operation.path)

        @settings(
            max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(operation.as_strategy(generation_mode=mode))
        def ask(case):
            nonlocal asked
            assume(not EDGE.search(str(case.body)))
            asked += 1
            case.call_and_validate(excluded_checks=[] if case.operation.path in OURS else [positive_data_acceptance])

        try:
            ask()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE and operation.method == "get"  # nothing there can be wrong
        except BaseException as error:
            wrong.append(f"{operation.method} {operation.path}: {type(error).__name__} {error}")
    assert not wrong, "\n\n".join(wrong)
    assert asked > 100 and seen > OURS
