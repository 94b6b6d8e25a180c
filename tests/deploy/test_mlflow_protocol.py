"""MLflow's scoring server, asked directly: each of its formats, and every kind of wrong request."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from dataclasses import replace

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from rondo.deploy.mlflow_protocol import SPOKEN, rows_of, rows_of_csv
from rondo.deploy.predictions import stream_of
from rondo.deploy.problems import Problem
from rondo.deploy.rollout import promote
from rondo.deploy.serving import Application
from rondo.deploy.tensors import Output, as_bytes
from rondo.deploy.traffic import Traffic
from rondo.project.reading import read_project
from rondo.store.opening import open_store

NAMES = ("carrier", "flight", "origin", "tailnum", "distance", "sched")
CSV = {"content-type": "text/csv"}
JSON = {"content-type": "application/json"}


def judge(path, answer):
    """Every refusal is one of the protocol."""
    if answer.status_code >= 400 and not path.startswith("/v"):
        assert answer.headers["content-type"] == "application/json", answer.text
        assert set(answer.json()) == {"error_code", "message"} and answer.json()["message"]


@pytest.fixture(scope="module")
def served(built, tmp_path_factory):
    """A copy of the project with late@1 in production."""
    root = tmp_path_factory.mktemp("served") / "flights"
    shutil.copytree(built.root, root)
    place = type(built)(root, read_project(root), open_store(root), built.signature, built.rows, [1])
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=place.store.clock())
    return place


@pytest.fixture(scope="module")
def application(served):
    traffic = Traffic(served.project, served.store)
    traffic.refresh()
    return Application(traffic, served.store)


@pytest.fixture(scope="module")
def ask(application, client_of):
    return client_of(application, judge)


def forms(rows):
    """The same rows in every form, as content and headers."""
    split = {"columns": NAMES, "index": list(range(len(rows))), "data": [[r.get(n) for n in NAMES] for r in rows]}
    columns = {name: [row.get(name) for row in rows] for name in NAMES}
    documents = {
        "split": {"dataframe_split": split},
        "records": {"dataframe_records": rows, "params": {}},
        "instances": {"instances": rows},
        "inputs": {"inputs": columns, "params": None},
        "inputs of rows": {"inputs": rows},
    }
    found = {name: {"content": json.dumps(document), "headers": JSON} for name, document in documents.items()}
    written = io.StringIO()
    csv.writer(written).writerows([NAMES, *([row.get(name) for name in NAMES] for row in rows)])
    return found | {"csv": {"content": written.getvalue().encode(), "headers": CSV}}


def tensors(rows):
    """The same rows for the inference protocol, numbers as bytes."""
    inputs, tail = [], b""
    for name in NAMES:
        values = [row.get(name) for row in rows]
        told = {"name": name, "shape": [len(rows)], "datatype": "BYTES"}
        if name == "distance":
            part = as_bytes(Output(name, "FP64", (len(rows),), [math.nan if v is None else v for v in values]))
            inputs.append(told | {"datatype": "FP64", "parameters": {"binary_data_size": len(part)}})
            tail += part
        else:
            inputs.append(told | {"datatype": "INT64" if name == "flight" else "BYTES", "data": values})
    head = msgspec.json.encode({"inputs": inputs, "outputs": [{"name": "score"}]})
    return {"content": head + tail, "headers": {**JSON, "inference-header-content-length": str(len(head))}}


def logged(place):
    return sum(1 for _ in place.store.log.read(stream_of("late")))


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "carrier": st.sampled_from(["AA", "UA", "항공", 'a,"b"', "NaN"]) | st.none(),
            "flight": st.integers(-(2**63), 2**63 - 1) | st.none(),
            "origin": st.sampled_from(["EWR", "JFK", "??"]) | st.none(),
            "tailnum": st.sampled_from(["N1", "0017"]) | st.none(),
            "distance": st.floats(allow_nan=False, allow_infinity=False) | st.none(),
            "sched": st.sampled_from(["2013-06-20T08:00:00", "2013-06-30T08:00:00Z"]),
        }
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(ROWS)
def test_every_protocol_scores_the_same(ask, served, rows):
    before = logged(served)
    native = ask("POST", "/v1/models/late/predict", json={"rows": rows}).json()["predictions"]
    scores = [prediction["score"] for prediction in native]
    inferred = ask("POST", "/v2/models/late/infer", **tensors(rows))
    assert inferred.json()["outputs"][0]["data"] == scores
    for form, content in forms(rows).items():
        answer = ask("POST", "/invocations", **content)
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == scores, form
    assert logged(served) == before + 8 * len(rows)


def test_what_an_answer_says(ask, served):
    answer = ask("POST", "/invocations", json={"instances": [served.request(1), served.request(2)]}).json()
    assert set(answer) == {"predictions", "labels", "ids", "version"} and answer["version"] == "late@1"
    assert answer["labels"] == [score >= 0.5 for score in answer["predictions"]]
    explained = ask("POST", "/v1/models/late/explain", json={"id": answer["ids"][0]}).json()
    assert explained["prediction"] == pytest.approx(answer["predictions"][0])


def test_one_row_of_plain_values(ask, served):
    row = served.request(1)
    alone = ask("POST", "/invocations", json={"inputs": row}).json()["predictions"]
    assert alone == ask("POST", "/invocations", json={"instances": [row]}).json()["predictions"]


def test_nan_as_pythons_clients_write_it_is_null(ask, served):
    row = served.request(1)
    null = ask("POST", "/invocations", json={"instances": [{**row, "distance": None}]}).json()["predictions"]
    content = json.dumps({"instances": [{**row, "distance": math.nan}]})
    assert "NaN" in content
    assert ask("POST", "/invocations", content=content, headers=JSON).json()["predictions"] == null
    for wrong in (math.inf, -math.inf):
        content = json.dumps({"instances": [{**row, "distance": wrong, "tailnum": math.nan}]})
        assert ask("POST", "/invocations", content=content, headers=JSON).status_code == 400
    half = json.dumps({"instances": [{**row, "distance": math.nan, "tailnum": "\ud800"}]})
    assert ask("POST", "/invocations", content=half, headers=JSON).status_code == 400


def test_health_and_version(ask, application, monkeypatch):
    for path in ("/ping", "/health"):
        assert ask("GET", path).status_code == 200
    version = ask("GET", "/version")
    assert version.text == SPOKEN and version.headers["content-type"].startswith("text/plain")
    monkeypatch.setattr(application, "_full", "The disk is full.")
    answer = ask("GET", "/ping")
    assert answer.status_code == 503
    assert answer.json() == {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "The disk is full."}


def test_the_model_is_the_only_one_or_named(ask, served, application, monkeypatch):
    body = {"json": {"instances": [served.request(1)]}}
    for path in ("/invocations?model=late", "/endpoints/late/invocations", "/serving-endpoints/late/invocations"):
        assert ask("POST", path, **body).status_code == 200
    for path in ("/invocations?model=early", "/endpoints/early/invocations"):
        answer = ask("POST", path, **body)
        assert answer.status_code == 404 and answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    project = application.traffic.project
    several = replace(project, models={**project.models, "early": project.models["late"]})
    monkeypatch.setattr(application.traffic, "project", several)
    answer = ask("POST", "/invocations", **body)
    assert answer.status_code == 400 and "?model=NAME. There are: early, late." in answer.json()["message"]
    assert ask("POST", "/invocations?model=late", **body).status_code == 200
    assert ask("POST", "/invocations?model=early", **body).status_code == 503  # none in production


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([], "must be an object with one of dataframe_split"),
        ({}, "exactly one of"),
        ({"instances": [], "inputs": []}, "it has instances, inputs"),
        ({"instances": []}, "There are no rows"),
        ({"instances": [1]}, "instances[0] must be an object"),
        ({"instances": {}}, "instances must be a list of objects"),
        ({"instances": [{}], "params": {"temperature": 1}}, "takes no params"),
        ({"instances": [{}], "signature_name": "x"}, "'signature_name'"),
        ({"inputs": 5}, "inputs must be a list of objects"),
        ({"inputs": {}}, "There are no rows"),
        ({"inputs": {"origin": ["JFK"], "distance": 5}}, "inputs.distance must be a list"),
        ({"inputs": {"origin": ["JFK"], "distance": [5, 6]}}, "origin has 1, distance has 2"),
        ({"dataframe_records": [{"gate": 1}]}, "rows[0].gate: is unknown"),
        ({"dataframe_records": [{"distance": "far"}]}, "rows[0].distance: must be a number"),
        ({"dataframe_split": {"data": [[1]]}}, "with columns and data"),
        ({"dataframe_split": {"columns": ["origin"], "data": [["JFK"]], "dtypes": 1}}, "with columns and data"),
        ({"dataframe_split": {"columns": ["origin", 5], "data": []}}, "a list of names"),
        ({"dataframe_split": {"columns": ["origin", "origin"], "data": []}}, "names 'origin' twice"),
        ({"dataframe_split": {"columns": ["origin"], "data": {}}}, "data must be a list of rows"),
        ({"dataframe_split": {"columns": ["origin"], "data": [["JFK"], ["JFK", 1]]}}, "data[1] must be a list of 1"),
    ],
)
def test_documents_that_hold_no_rows(ask, served, document, why):
    before = logged(served)
    answer = ask("POST", "/invocations", json=document)
    assert answer.status_code == 400 and answer.json()["error_code"] == "BAD_REQUEST"
    assert why in answer.json()["message"]
    assert logged(served) == before


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no header line"),
        (b"\n\n", "no header line"),
        (b"origin,distance\n", "no rows"),
        (b"origin,gate\nJFK,1\n", "'gate' is unknown"),
        (b",origin\n0,JFK\n", "index=False"),
        (b"origin,origin\nJFK,JFK\n", "The header names 'origin' twice"),
        (b"origin,distance\nJFK\n", "Row 0 has 1 cells"),
        (b"origin,distance\nJFK,far\n", "rows[0].distance: must be a number"),
        (b"origin,distance\nJFK,1_000\n", "must be a number"),
        (b"origin,distance\nJFK,nan\n", "must be finite"),
        (b'origin\n"JFK\n', "not CSV"),
        (b"origin\n\xff\n", "not CSV in UTF-8"),
        (b"origin\n" + b"x" * 200_000, "not CSV"),
    ],
)
def test_csv_that_holds_no_rows(ask, text, why):
    answer = ask("POST", "/invocations", content=text, headers=CSV)
    assert answer.status_code == 400 and why in answer.json()["message"]


def test_csv_is_read_by_the_signature(served):
    text = '\ufefftailnum,flight,distance,sched\r\n0017,5,1e3,2013-07-01\r\n\r\n,6.0," 7 ",\r\n'.encode()
    assert rows_of_csv(text, served.signature) == [
        {"tailnum": "0017", "flight": 5, "distance": 1000.0, "sched": "2013-07-01"},
        {"tailnum": None, "flight": 6.0, "distance": 7, "sched": None},
    ]


def test_other_errors_are_told_in_mlflows_way(ask, served):
    assert ask("GET", "/invocations").status_code == 405
    assert ask("POST", "/invocations", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    latin = {"content-type": "text/csv; charset=latin-1"}
    assert ask("POST", "/invocations", content=b"origin\nJFK", headers=latin).status_code == 415
    squeezed = {**JSON, "content-encoding": "gzip"}
    assert ask("POST", "/invocations", content=b"\x1f\x8b", headers=squeezed).status_code == 415
    assert ask("POST", "/invocations", content=b"{" * 50_000, headers=JSON).status_code == 400
    assert ask("POST", "/invocations", content=b'[NaN,"' + b"[" * 50_000, headers=JSON).status_code == 400


def test_the_openapi_document_says_what_is_spoken(ask, served):
    document = ask("GET", "/openapi.json").json()
    for path in ("/invocations", "/endpoints/late/invocations"):
        operation = document["paths"][path]["post"]
        asked = Draft202012Validator(operation["requestBody"]["content"]["application/json"]["schema"])
        body = {"instances": [served.request(1)]}
        asked.validate(body)
        assert not asked.is_valid({"rows": []}) and not asked.is_valid({**body, "inputs": []})
        answer = ask("POST", path, json=body).json()
        Draft202012Validator(operation["responses"]["200"]["content"]["application/json"]["schema"]).validate(answer)
    error = ask("POST", "/invocations", json={}).json()
    Draft202012Validator(document["components"]["schemas"]["MlflowError"]).validate(error)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(NAMES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*NAMES, "columns", "data", "index"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "params"]), JUNK)
    | JUNK
)
def test_no_document_breaks_it(ask, document):
    answer = ask("POST", "/invocations", content=json.dumps(document), headers=JSON)
    assert answer.status_code in (200, 400), answer.text


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=60) | st.text("origindsace,\"\n\r' 5.-0\x00항", max_size=60).map(str.encode))
def test_no_csv_breaks_it(ask, text):
    for body in (text, b"origin,distance\n" + text):
        answer = ask("POST", "/invocations", content=body, headers=CSV)
        assert answer.status_code in (200, 400), answer.text


@given(JUNK)
def test_only_lists_of_rows_come_out(document):
    try:
        rows = rows_of(document)
    except Problem as problem:
        assert problem.status == 422
    else:
        assert all(isinstance(row, dict) for row in rows)
