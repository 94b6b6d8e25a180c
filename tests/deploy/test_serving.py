"""The application, asked directly: every route, every kind of wrong request."""

from __future__ import annotations

import asyncio
import resource

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rondo.deploy import serving
from rondo.deploy.outcomes import STREAM, decode
from rondo.deploy.predictions import compact, stream_of
from rondo.deploy.rollout import promote
from rondo.deploy.serving import Application
from rondo.deploy.traffic import Traffic

PREDICT = "/v1/models/late/predict"


def judge(path: str, answer: httpx.Response) -> None:
    """What is refused is a problem document, as the schema says."""
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        document = answer.json()
        assert document["status"] == answer.status_code and document["title"] and document["detail"]
        if answer.status_code in (400, 422):
            assert document["errors"]
            for error in document["errors"]:
                assert error["reason"] and isinstance(error["field"], str | None)


@pytest.fixture
def application(place, now):
    place.store = type(place.store)(**{**vars_of(place.store), "clock": lambda: now})
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    traffic = Traffic(place.project, place.store)
    traffic.refresh()
    return Application(traffic, place.store)


def vars_of(store):
    return {name: getattr(store, name) for name in type(store).__dataclass_fields__}


@pytest.fixture
def ask(application, client_of):
    return client_of(application, judge)


def rows(place, *numbers):
    return {"rows": [place.request(n) for n in numbers]}


def test_predictions(place, ask):
    answer = ask("POST", PREDICT, json=rows(place, 0, 1, 2))
    document = answer.json()
    assert answer.status_code == 200 and document["version"] == "late@1"
    assert [p["key"] for p in document["predictions"]] == [
        {"carrier": row["carrier"], "flight": row["flight"]} for row in rows(place, 0, 1, 2)["rows"]
    ]
    for prediction in document["predictions"]:
        assert set(prediction) == {"id", "score", "label", "key"}
        assert 0 <= prediction["score"] <= 1 and prediction["label"] is (prediction["score"] >= 0.5)
    logged = [payload for _, _, payload in place.store.log.read(stream_of("late"))]
    assert len(logged) == 3


def test_a_canary_says_so_and_a_shadow_is_logged(place, application, ask, now):
    place.add_version(seed=5), place.add_version(seed=6)
    for version, role, share in ((2, "canary", 0.5), (3, "shadow", None)):
        promote(place.store, place.project, "late", version, role, share, because=None, by="kim", now=now)
    application.traffic.refresh()
    document = ask("POST", PREDICT, json=rows(place, *range(40))).json()
    versions = [p.get("version", document["version"]) for p in document["predictions"]]
    assert document["version"] == "late@1" and set(versions) == {"late@1", "late@2"}
    compact(place.store, place.signature, by="kim", now=now)
    import pyarrow.dataset as ds

    kept = ds.dataset(place.store.lake.files("predictions/late")).to_table()
    assert kept.column("role").to_pylist().count("shadow") == 40
    pairs = [row for row in kept.to_pylist() if row["role"] == "production" and row["beside"]]
    assert len(pairs) == versions.count("late@2") and kept.num_rows == 80 + len(pairs)


def test_a_moment_in_the_past_is_answered_by_the_lake(place, ask):
    now = ask("POST", PREDICT, json=rows(place, 1)).json()
    then = ask("POST", PREDICT, json={"rows": [place.request(1, sched="2013-06-20T08:00:00")]}).json()
    assert then["predictions"][0]["key"]["sched"] == "2013-06-20T08:00:00"
    assert then["predictions"][0]["score"] != now["predictions"][0]["score"]


def test_explanations_of_rows_and_of_a_prediction(place, ask, now):
    given = ask("POST", PREDICT, json=rows(place, 1)).json()["predictions"][0]
    by_rows = ask("POST", "/v1/models/late/explain", json=rows(place, 1)).json()
    place.publish(rate=0.9)  # what is published since changes nothing about a prediction given
    by_id = ask("POST", "/v1/models/late/explain", json={"id": given["id"]}).json()
    assert by_id == by_rows
    total = by_id["base"] + sum(c["contribution"] for c in by_id["contributions"]) + by_id["residual"]
    assert by_id["prediction"] == pytest.approx(given["score"]) == pytest.approx(total)
    compact(place.store, place.signature, by="kim", now=now)
    assert ask("POST", "/v1/models/late/explain", json={"id": given["id"]}).json() == by_id
    several = ask("POST", "/v1/models/late/explain", json=rows(place, 1, 2)).json()
    assert several["version"] == "late@1" and len(several["explanations"]) == 2
    assert ask("POST", "/v1/models/late/explain", json={"id": "none"}).status_code == 404
    assert ask("POST", "/v1/models/late/explain", json={}).status_code == 422
    assert ask("POST", "/v1/models/late/explain", json={"id": 5}).status_code == 422
    assert ask("POST", "/v1/models/late/explain", json={"id": "x", **rows(place, 1)}).status_code == 422


def test_outcomes_reach_the_inbox(place, ask):
    given = ask("POST", PREDICT, json=rows(place, 1)).json()["predictions"][0]
    key = {"model": "late", "key": {"carrier": "AA", "flight": 1}, "moment": "2013-07-01T08:00:00"}
    answer = ask(
        "POST", "/v1/outcomes", json={"outcomes": [{"id": given["id"], "outcome": True}, {**key, "outcome": 0}]}
    )
    assert answer.json() == {"accepted": 2}
    kept = [decode(payload) for _, _, payload in place.store.log.read(STREAM)]
    assert [outcome.outcome for outcome in kept] == [True, 0]
    wrong = ask("POST", "/v1/outcomes", json={"outcomes": [{**key, "outcome": 1, "key": {"gate": 1}}]})
    assert wrong.json()["errors"][0]["field"] == "outcomes[0].key.gate"
    assert len(list(place.store.log.read(STREAM))) == 2


def test_models(place, ask):
    (listed,) = ask("GET", "/v1/models").json()["models"]
    assert (listed["name"], listed["version"], listed["owner"]) == ("late", "late@1", "data_scientist")
    shown = ask("GET", "/v1/models/late").json()
    assert [f["name"] for f in shown["fields"]] == ["carrier", "distance", "origin", "tailnum", "flight", "sched"]
    assert set(shown["example"]["rows"][0]) == {"carrier", "sched", "distance", "origin", "tailnum"}
    assert ask("POST", PREDICT, json=shown["example"]).status_code == 200
    assert ask("GET", "/v1/models/early").status_code == 404


def test_health_metrics_and_openapi(place, ask):
    ask("POST", PREDICT, json=rows(place, 1, 2))
    ask("POST", PREDICT, json={})
    assert ask("GET", "/healthz").json() == {"healthy": True}
    assert ask("GET", "/readyz").json() == {"ready": True, "models": {"late": "late@1"}}
    text = ask("GET", "/metrics").text
    assert 'rondo_requests_total{route="predict",status="200"} 1' in text
    assert 'rondo_errors_total{route="predict",reason="missing_field"} 1' in text
    assert 'rondo_predictions_total{model="late",version="late@1",role="production"} 2' in text
    assert 'rondo_request_seconds_bucket{route="predict",le="+Inf"} 2' in text
    document = ask("GET", "/openapi.json").json()
    row = document["paths"][PREDICT]["post"]["requestBody"]["content"]["application/json"]["schema"]
    fields = row["properties"]["rows"]["items"]["properties"]
    assert set(fields) == {"carrier", "sched", "distance", "origin", "tailnum", "flight"}
    assert ask("HEAD", "/healthz").content == b""


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "field"),
    [
        ("POST", PREDICT, {"content": b""}, 400, None),
        ("POST", PREDICT, {"content": b"{"}, 400, None),
        ("POST", PREDICT, {"content": b"\xff\xfe{}"}, 400, None),
        ("POST", PREDICT, {"content": b'{"rows": [{"distance": NaN}]}'}, 400, None),
        ("POST", PREDICT, {"content": b'{"rows": [{"distance": 1e999}]}'}, 400, None),
        ("POST", PREDICT, {"content": b"[" * 200_000}, 400, None),
        ("POST", PREDICT, {"content": b'{"rows":' * 900 + b"1" + b"}" * 900}, 400, None),
        ("POST", PREDICT, {"json": [1]}, 422, None),
        ("POST", PREDICT, {"json": {}}, 422, "rows"),
        ("POST", PREDICT, {"json": {"rows": []}}, 422, "rows"),
        ("POST", PREDICT, {"json": {"rows": {}}}, 422, "rows"),
        ("POST", PREDICT, {"json": {"rows": [1]}}, 422, "rows[0]"),
        ("POST", PREDICT, {"json": {"rows": [{}], "model": "late"}}, 422, "model"),
        ("POST", PREDICT, {"json": {"rows": [{}, {"colour": 1}]}}, 422, "rows[1].colour"),
        ("POST", PREDICT, {"json": {"rows": [{"late": True}]}}, 422, "rows[0].late"),
        ("POST", PREDICT, {"json": {"rows": [{"flight": 10**30}]}}, 422, "rows[0].flight"),
        ("POST", PREDICT, {"json": {"rows": [{"sched": "9999-12-31T23:59:59-14:00"}]}}, 422, "rows[0].sched"),
        ("POST", PREDICT, {"content": b"{}", "headers": {"content-type": "text/csv"}}, 415, None),
        ("POST", PREDICT, {"content": b"{}", "headers": {"content-type": "text/json"}}, 415, None),
        ("POST", PREDICT, {"content": b" " * (11 << 20)}, 413, None),
        ("GET", PREDICT, {}, 405, None),
        ("DELETE", "/v1/models", {}, 405, None),
        ("POST", "/v1/models/early/predict", {"json": {"rows": [{}]}}, 404, None),
        ("POST", "/v1/models//predict", {"json": {"rows": [{}]}}, 404, None),
        ("GET", "/v3", {}, 404, None),
        ("GET", "/", {}, 404, None),
        ("POST", "/v1/outcomes", {"json": {}}, 422, "outcomes"),
        ("POST", "/v1/outcomes", {"json": {"outcomes": []}}, 422, "outcomes"),
        ("POST", "/v1/outcomes", {"json": {"outcomes": [{}]}}, 422, "outcomes[0].outcome"),
        ("POST", "/v1/outcomes", {"json": {"outcomes": [{"id": "x", "outcome": 2**80}]}}, 422, "outcomes"),
    ],
)  # fmt: skip
def test_wrong_requests_are_told_what_is_wrong(ask, method, path, content, status, field):
    answer = ask(method, path, **content)
    assert answer.status_code == status
    if field is not None:
        assert answer.json()["errors"][0]["field"] == field
    if status == 405:
        assert answer.headers["allow"]


def test_nothing_in_production(place, application, ask):
    application.traffic._at_work = {}
    answer = ask("POST", PREDICT, json=rows(place, 1))
    assert answer.status_code == 503 and "promote" in answer.json()["detail"]


def test_a_full_disk_refuses_predictions_until_there_is_room(place, application, ask, monkeypatch):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))  # the log's segment cannot grow: EFBIG
        answer = ask("POST", PREDICT, json=rows(place, 1))
        assert answer.status_code == 503
        assert ask("GET", "/readyz").status_code == 503
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    monkeypatch.setattr(serving, "POLL_S", 0.01)

    async def watch():
        watching = asyncio.create_task(application.watch())
        await asyncio.sleep(0.2)
        watching.cancel()

    asyncio.run(watch())
    assert ask("GET", "/readyz").status_code == 200
    assert ask("POST", PREDICT, json=rows(place, 1)).status_code == 200
    assert len(list(place.store.log.read(stream_of("late")))) == 1


FIELDS = ["carrier", "flight", "sched", "origin", "tailnum", "distance", "late", "colour", "rows", "id", ""]
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.datetimes().map(lambda m: m.isoformat())
    | st.sampled_from(["0001-01-01T00:00:00", "9999-12-31T23:59:59", "2013-06-30", "24:00", "JFK", "AA"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=6,
)
ROW = st.dictionaries(st.sampled_from(FIELDS), SCALARS | VALUES, max_size=6)
BODIES = (
    st.binary(max_size=60)
    | st.builds(msgspec.json.encode, VALUES)
    | st.builds(lambda r: msgspec.json.encode({"rows": r}), st.lists(ROW, max_size=4))
    | st.builds(lambda r, n: msgspec.json.encode({"rows": r})[:n], st.lists(ROW, max_size=2), st.integers(0, 60))
)


@pytest.mark.parametrize("path", [PREDICT, "/v1/models/late/explain", "/v1/outcomes"])
def test_no_body_breaks_the_server(ask, path):
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(BODIES)
    def any_body(body):
        answer = ask("POST", path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (200, 400, 404, 422), answer.text

    any_body()
