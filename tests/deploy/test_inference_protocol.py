"""The Open Inference Protocol, asked directly: metadata, tensors as JSON and as bytes, and every kind of wrong request."""

from __future__ import annotations

import math
import shutil
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from rondo.deploy.answering import Answer
from rondo.deploy.inference_protocol import outputs, outputs_document
from rondo.deploy.predictions import find, stream_of
from rondo.deploy.rollout import promote
from rondo.deploy.serving import Application
from rondo.deploy.tensors import Output, as_bytes
from rondo.deploy.traffic import Traffic
from rondo.project.reading import read_project
from rondo.store.opening import open_store

INFER = "/v2/models/late/infer"
HEADER = "inference-header-content-length"
DATATYPES = {
    "carrier": "BYTES", "flight": "INT64", "origin": "BYTES", "tailnum": "BYTES", "distance": "FP64", "sched": "BYTES",
}  # fmt: skip


def judge(path, answer):
    """Every refusal is one of the protocol."""
    if answer.status_code >= 400 and not path.startswith("/v1"):
        assert answer.headers["content-type"] == "application/json", answer.text
        if "ready" not in answer.json():
            assert set(answer.json()) == {"error"} and answer.json()["error"]


@pytest.fixture(scope="module")
def served(built, tmp_path_factory):
    """A copy of the project with late@1 in production, late@2 as canary of half the keys, late@3 as shadow."""
    root = tmp_path_factory.mktemp("served") / "flights"
    shutil.copytree(built.root, root)
    place = type(built)(root, read_project(root), open_store(root), built.signature, built.rows, [1])
    place.add_version(seed=5), place.add_version(seed=6)
    return place


@pytest.fixture(scope="module")
def application(served):
    promote(served.store, served.project, "late", 1, "production", because=None, by="kim", now=served.store.clock())
    traffic = Traffic(served.project, served.store)
    traffic.refresh()
    return Application(traffic, served.store)


@pytest.fixture(scope="module")
def ask(application, client_of):
    return client_of(application, judge)


@pytest.fixture
def roles(served, application):
    """late@2 as canary of half the keys and late@3 as shadow, while a test lasts."""
    before = application.traffic._at_work
    now = served.store.clock()
    for version, role, share in ((2, "canary", 0.5), (3, "shadow", None)):
        promote(served.store, served.project, "late", version, role, share, because=None, by="kim", now=now)
    application.traffic.refresh()
    yield
    application.traffic._at_work = before


def tensors(rows, *, binary=False, nested=False):
    """The body of rows, one tensor a column that any of them has, and the headers for it."""
    names = [name for name in DATATYPES if any(name in row for row in rows)]
    inputs, tail = [], b""
    for name in names:
        values = [row.get(name) for row in rows]
        told = {"name": name, "shape": [len(rows)], "datatype": DATATYPES[name]}
        if binary and (None not in values or name == "distance"):
            values = [math.nan if value is None else value for value in values]
            part = as_bytes(Output(name, DATATYPES[name], (len(rows),), values))
            inputs.append(told | {"parameters": {"binary_data_size": len(part)}})
            tail += part
        elif nested:
            inputs.append(told | {"shape": [len(rows), 1], "data": [[value] for value in values]})
        else:
            inputs.append(told | {"data": values})
    head = msgspec.json.encode({"id": "mine", "inputs": inputs})
    headers = {"content-type": "application/json"}
    if binary:
        headers = {"content-type": "application/octet-stream", HEADER: str(len(head))}
    return {"content": head + tail, "headers": headers}


def outputs_of(answer):
    """The outputs of an answer by name, as flat lists."""
    length = answer.headers.get(HEADER)
    if length is None:
        return {output["name"]: output["data"] for output in answer.json()["outputs"]}
    head, tail = answer.content[: int(length)], answer.content[int(length) :]
    found = {}
    for output in msgspec.json.decode(head)["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            found[output["name"]] = output["data"]
            continue
        part, tail = tail[:size], tail[size:]
        if output["datatype"] == "BYTES":
            texts = []
            while part:
                (length,) = struct.unpack("<I", part[:4])
                texts.append(part[4 : 4 + length].decode())
                part = part[4 + length :]
            found[output["name"]] = texts
        else:
            kinds = {"FP64": "<f8", "INT64": "<i8", "BOOL": "?"}
            found[output["name"]] = np.frombuffer(part, kinds[output["datatype"]]).tolist()
    assert tail == b""
    return found


def logged(place):
    return sum(1 for _ in place.store.log.read(stream_of("late")))


def test_what_it_says_of_itself(ask):
    server = ask("GET", "/v2").json()
    assert server["name"] == "rondo" and server["version"] and server["extensions"] == ["binary_tensor_data"]
    assert ask("GET", "/v2/health/live").json() == {"live": True, "ready": True}
    assert ask("GET", "/v2/health/ready").json() == {"live": True, "ready": True}
    document = ask("GET", "/v2/models/late").json()
    assert document["name"] == "late" and document["versions"] == ["1"] and document["platform"] == "rondo_lightgbm"
    assert {tensor["name"]: tensor["datatype"] for tensor in document["inputs"]} == DATATYPES
    assert [(tensor["name"], tensor["datatype"]) for tensor in document["outputs"]] == [
        ("score", "FP64"), ("label", "BOOL"), ("id", "BYTES"), ("version", "INT64"),
    ]  # fmt: skip
    assert all(tensor["shape"] == [-1] for tensor in document["inputs"] + document["outputs"])
    assert ask("GET", "/v2/models/late/versions/1").json() == document
    for path in ("/v2/models/late/ready", "/v2/models/late/versions/1/ready"):
        assert ask("GET", path).json() == {"name": "late", "ready": True}


def test_a_server_that_is_not_ready_says_so(ask, application, monkeypatch):
    monkeypatch.setattr(application, "_full", "The disk is full.")
    answer = ask("GET", "/v2/health/ready")
    assert answer.status_code == 503 and answer.json() == {"live": True, "ready": False}
    assert ask("GET", "/v2/health/live").status_code == 200


@pytest.mark.parametrize("form", [{}, {"nested": True}, {"binary": True}])
def test_rows_are_answered_as_v1_answers_them(ask, served, form):
    rows = [served.request(n, sched="2013-07-01T08:00:00", distance=None if n == 2 else 5.5 * n) for n in range(5)]
    native = ask("POST", "/v1/models/late/predict", json={"rows": rows}).json()
    before = logged(served)
    answer = ask("POST", INFER, **tensors(rows, **form))
    assert answer.status_code == 200
    assert answer.json()["model_name"] == "late" and answer.json()["model_version"] == "1"
    assert answer.json()["id"] == "mine"
    found = outputs_of(answer)
    assert found["score"] == [p["score"] for p in native["predictions"]]
    assert found["label"] == [p["label"] for p in native["predictions"]] and found["version"] == [1] * 5
    assert len(set(found["id"])) == 5 and logged(served) == before + 5
    explained = ask("POST", "/v1/models/late/explain", json={"id": found["id"][0]})
    assert explained.json()["prediction"] == pytest.approx(found["score"][0])


def test_outputs_are_chosen_and_told_as_asked(ask, served):
    asked = msgspec.json.decode(tensors([served.request(n) for n in range(3)])["content"])
    everything = ask("POST", INFER, json={**asked, "parameters": {"binary_data_output": True}})
    assert everything.headers["content-type"] == "application/octet-stream"
    assert set(outputs_of(everything)) == {"score", "label", "id", "version"}
    chosen = [{"name": "id"}, {"name": "score", "parameters": {"binary_data": True}}]
    some = ask("POST", INFER, json={**asked, "outputs": chosen})
    assert list(outputs_of(some)) == ["id", "score"]
    assert outputs_of(some)["score"] == outputs_of(everything)["score"]
    head = msgspec.json.decode(some.content[: int(some.headers[HEADER])])
    assert head["outputs"][1] == {
        "name": "score", "datatype": "FP64", "shape": [3], "parameters": {"binary_data_size": 24},
    }  # fmt: skip
    one = ask("POST", INFER, json={**asked, "outputs": [{"name": "label"}]})
    assert HEADER not in one.headers and list(outputs_of(one)) == ["label"]


def test_single_floats_are_read_as_the_doubles_they_are(ask, served):
    row = served.request(1)
    asked = msgspec.json.decode(tensors([row])["content"])
    for tensor in asked["inputs"]:
        if tensor["name"] == "distance":
            tensor |= {"datatype": "FP32", "data": [16.7]}
    found = outputs_of(ask("POST", INFER, json=asked))
    native = ask("POST", "/v1/models/late/predict", json={"rows": [{**row, "distance": float(np.float32(16.7))}]})
    assert found["score"] == [native.json()["predictions"][0]["score"]]


def test_nan_is_null(ask, served):
    asked = msgspec.json.decode(tensors([served.request(1, distance=None)])["content"])
    null = outputs_of(ask("POST", INFER, json=asked))["score"]
    content = msgspec.json.encode(asked).replace(b'"data":[null]', b'"data":[NaN]')
    assert b"NaN]" in content
    nan = ask("POST", INFER, content=content, headers={"content-type": "application/json"})
    assert outputs_of(nan)["score"] == null
    assert outputs_of(ask("POST", INFER, **tensors([served.request(1, distance=None)], binary=True)))["score"] == null


def test_versions_at_work_answer_by_name(ask, served, roles):
    rows = [served.request(n) for n in range(20)]
    body = tensors(rows)
    mixed = outputs_of(ask("POST", INFER, **body))
    assert set(mixed["version"]) == {1, 2}
    assert sorted(ask("GET", "/v2/models/late").json()["versions"]) == ["1", "2", "3"]
    alone = {}
    for version in (1, 2, 3):
        answer = ask("POST", f"/v2/models/late/versions/{version}/infer", **body)
        assert answer.json()["model_version"] == str(version)
        alone[version] = outputs_of(answer)
        assert set(alone[version]["version"]) == {version}
    for place, version in enumerate(mixed["version"]):
        assert mixed["score"][place] == alone[version]["score"][place]
    assert ask("GET", "/v2/models/late/versions/3/ready").status_code == 200
    assert find(served.store, "late", alone[1]["id"][0]).role == "production"
    assert find(served.store, "late", alone[2]["id"][0]).role is None
    assert find(served.store, "late", alone[3]["id"][0]).role is None
    for version in ("4", "x", "late@1", "0" * 5000):
        for path in ("", "/ready", "/infer"):
            answer = ask("POST" if path == "/infer" else "GET", f"/v2/models/late/versions/{version}{path}", **body)
            assert answer.status_code == 404
    assert "late@2 (canary)" in ask("GET", "/v2/models/late/versions/4").json()["error"]


def changed(row, **more):
    return {**msgspec.json.decode(tensors([row])["content"]), **more}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"inputs": []}, "no rows"),
        ({"inputs": None}, "Expected `array`, got `null` - at `$.inputs`"),
        ({"input": []}, "unknown field `input`"),
        ({"id": 5}, "Expected `str | null`, got `int` - at `$.id`"),
        ({"outputs": [{"name": "scores"}]}, "no output 'scores'; there are: score, label, id, version"),
        ({"outputs": [{"name": "score"}, {"name": "score"}]}, "asked for twice"),
        ({"outputs": [{"name": "score", "parameters": {"classification": 3}}]}, "classification"),
        ({"outputs": [{"name": "score", "parameters": {"binary_data": 1}}]}, "binary_data is '1'"),
        ({"parameters": {"binary_data_output": "yes"}}, "binary_data_output is 'yes'"),
    ],
)
def test_requests_that_cannot_be(ask, served, change, why):
    answer = ask("POST", INFER, json=changed(served.request(1), **change))
    assert answer.status_code == 400 and why in answer.json()["error"]


def one(name, datatype, data, **more):
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data, **more}


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ([one("gate", "BYTES", ["A"])], "no input 'gate'; there are: carrier"),
        ([one("late", "BOOL", [True])], "no input 'late'"),
        ([one("origin", "BYTES", ["A"])] * 2, "'origin' is there twice"),
        ([one("origin", "BYTES", ["A"]), one("distance", "FP64", [1, 2])], "origin has 1, distance has 2"),
        ([one("origin", "BYTES", [])], "no rows"),
        ([one("origin", "BYTES", ["A", "B"], shape=[1, 2])], "[n] or [n, 1], one tensor each"),
        ([one("origin", "BYTES", ["A"], shape=[10**18])], "1 elements"),
        ([one("origin", "BYTES", ["A"], shape=[-1])], "$.inputs[0].shape[0]"),
        ([one("origin", "TEXT", ["A"])], "'TEXT'"),
        ([one("origin", "BYTES", ["A"], dtype="x")], "unknown field `dtype`"),
        ([{"name": "origin", "datatype": "BYTES", "shape": [1]}], "either data or binary_data_size"),
        ([one("origin", "BYTES", ["A"], parameters={"binary_data_size": 5})], "not both"),
        ([{"name": "origin", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}}], "0 bytes"),
        ([one("origin", "BYTES", ["A"], parameters={"shared_memory_region": "x"})], "shared_memory_region"),
        ([one("distance", "INT8", [300])], "'distance' has an element [0] that is not between -128 and 127"),
        ([one("distance", "BYTES", ["far"])], "distance[0]: must be a number"),
        ([one("flight", "FP64", [1, 2.5])], "flight[1]: must be a whole number"),
        ([one("sched", "BYTES", ["noon"])], "sched[0]: must be a time"),
    ],
)
def test_inputs_that_make_no_rows(ask, served, inputs, why):
    before = logged(served)
    answer = ask("POST", INFER, json={"inputs": inputs})
    assert answer.status_code == 400 and why in answer.json()["error"], answer.text
    assert logged(served) == before


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("x", "'x'"),
        ("-1", "'-1'"),
        ("0", "'0'"),
        ("999999", "'999999'"),
        ("9" * 4000, "the body has"),
        ("5", "not JSON"),
    ],
)
def test_headers_that_part_no_body(ask, served, header, why):
    body = tensors([served.request(1)], binary=True)
    body["headers"][HEADER] = header
    answer = ask("POST", INFER, **body)
    assert answer.status_code == 400 and why in answer.json()["error"]


def test_bytes_too_many_and_too_few(ask, served):
    body = tensors([served.request(1)], binary=True)
    longer, shorter = body | {"content": body["content"] + b"?"}, body | {"content": body["content"][:-1]}
    assert "1 bytes at the end" in ask("POST", INFER, **longer).json()["error"]
    assert ask("POST", INFER, **shorter).status_code == 400
    without = {"content": body["content"], "headers": {"content-type": "application/octet-stream"}}
    assert ask("POST", INFER, **without).status_code == 400


def test_other_errors_are_told_in_the_protocols_way(ask, served):
    body = tensors([served.request(1)])
    assert ask("GET", "/v2/models/early").status_code == 404
    assert ask("GET", "/v2/models").status_code == 404
    assert ask("POST", "/v2/repository/index", json={}).status_code == 404
    assert ask("GET", INFER).status_code == 405
    assert ask("POST", INFER, content=b"{}", headers={"content-type": "text/csv"}).status_code == 415
    squeezed = {**body["headers"], "content-encoding": "gzip"}
    assert ask("POST", INFER, content=b"\x1f\x8b", headers=squeezed).status_code == 415
    assert ask("POST", INFER, content=b"[" * 100_000).status_code == 400


def test_the_outputs_of_several_classes_and_of_values(served):
    several = msgspec.structs.replace(served.signature, task="multiclass", classes=("AA", "UA"))
    names = [(output["name"], output["datatype"], output["shape"]) for output in outputs_document(several)]
    assert names[:3] == [("probabilities", "FP64", [-1, 2]), ("classes", "BYTES", [2]), ("label", "BYTES", [-1])]
    now = served.store.clock()

    def answer(**more):
        base = {"id": "i", "version": 1, "role": "production", "moment": now, "at": now, "key": None, "inputs": {},
                "features": {}, "fed": (), "score": None, "value": None, "scores": None, "label": None, "missing": 0,
                "stale": 0}  # fmt: skip
        return Answer(**(base | more))

    class Of:
        signature = several

    given = [
        answer(scores={"AA": 0.25, "UA": 0.75}, label="UA"),
        answer(scores={"AA": 0.5, "UA": 0.25, "항공": 0.25}, label="AA", version=2),  # a canary that knows one more
    ]
    found = {output.name: output for output in outputs(Of, given)}
    assert found["classes"].data == ["AA", "UA", "항공"] and found["probabilities"].shape == (2, 3)
    assert found["probabilities"].data == [0.25, 0.75, 0.0, 0.5, 0.25, 0.25]
    assert found["label"].data == ["UA", "AA"] and found["label"].datatype == "BYTES"
    Of.signature = msgspec.structs.replace(several, classes=(1, 2))
    assert next(o for o in outputs(Of, [answer(scores={"1": 1.0}, label=1)]) if o.name == "label").datatype == "INT64"
    Of.signature = msgspec.structs.replace(several, task="regression", classes=())
    assert [o.name for o in outputs(Of, [answer(value=1.5)])] == ["value", "id", "version"]
    assert [o["name"] for o in outputs_document(Of.signature)] == ["value", "id", "version"]


def test_the_openapi_document_says_what_is_spoken(ask, served):
    document = ask("GET", "/openapi.json").json()
    operation = document["paths"][INFER]["post"]
    asked = Draft202012Validator(operation["requestBody"]["content"]["application/json"]["schema"])
    body = msgspec.json.decode(tensors([served.request(1)])["content"])
    asked.validate(body)
    assert not asked.is_valid({"inputs": [{**body["inputs"][0], "name": "gate"}]})
    answer = ask("POST", INFER, json=body).json()
    Draft202012Validator(operation["responses"]["200"]["content"]["application/json"]["schema"]).validate(answer)
    error = ask("POST", INFER, json={}).json()
    Draft202012Validator(document["components"]["schemas"]["InferenceError"]).validate(error)
    names = [
        each["operationId"] for path in document["paths"].values() for each in path.values() if "operationId" in each
    ]
    assert len(set(names)) == len(names)
    for path in document["paths"]:
        route = ask.application._route(path.replace("{version}", "1"))
        assert path in ask.application._own or (route is not None and route.name != "v2_other"), path


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
    | st.sampled_from(["BYTES", "FP64", "INT64", "origin", "score"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["name", "shape", "datatype", "data", "parameters", "binary_data_size"]), inner),
    max_leaves=8,
)  # fmt: skip
TENSORS = st.fixed_dictionaries(
    {
        "name": st.sampled_from([*DATATYPES, "x"]),
        "datatype": st.sampled_from(["BYTES", "FP64", "INT64", "BOOL", "FP16"]),
    },
    optional={
        "shape": st.lists(st.integers(0, 3), max_size=2) | JUNK,
        "data": st.lists(JUNK, max_size=3),
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 30)}) | JUNK,
    },
)


@settings(max_examples=250, suppress_health_check=list(HealthCheck))
@given(
    st.fixed_dictionaries({}, optional={"inputs": st.lists(TENSORS, max_size=3) | JUNK, "outputs": JUNK, "id": JUNK}),
    st.binary(max_size=30),
    st.none() | st.integers(-3, 3),
)
def test_no_body_breaks_it(ask, document, tail, off):
    head = msgspec.json.encode(document)
    headers = {"content-type": "application/json"} | ({} if off is None else {HEADER: str(len(head) + off)})
    answer = ask("POST", INFER, content=head + tail, headers=headers)
    assert answer.status_code in (200, 400), answer.text
