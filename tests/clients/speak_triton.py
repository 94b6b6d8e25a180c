"""tritonclient against a server. Run with the clients' interpreter: URL, and on standard input what to expect."""

from __future__ import annotations

import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

url, told = sys.argv[1], json.load(sys.stdin)
rows, expected = told["rows"], told["expected"]
client = triton.InferenceServerClient(url.removeprefix("http://"))

assert client.is_server_live() and client.is_server_ready()
assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
for model in expected:
    assert client.is_model_ready(model) and client.is_model_ready(model, "1")
assert not client.is_model_ready("buys", "2") and not client.is_model_ready("nothing")
metadata = client.get_model_metadata("buys")
assert metadata["versions"] == ["1"] and metadata["name"] == "buys"
assert {each["name"]: each["datatype"] for each in metadata["inputs"]} == {
    "city": "BYTES", "seats": "INT64", "member": "BOOL", "price": "FP64", "visit": "INT64",
}  # fmt: skip

KINDS = {"city": (object, "BYTES"), "seats": (np.int64, "INT64"), "member": (bool, "BOOL"), "price": (float, "FP64")}


def inputs(binary: bool, shape: tuple[int, ...], kinds=KINDS) -> list[triton.InferInput]:
    made = []
    for name, (dtype, datatype) in kinds.items():
        column = np.array([row[name] for row in rows], dtype=dtype).reshape(shape)
        made.append(triton.InferInput(name, list(shape), datatype).set_data_from_numpy(column, binary_data=binary))
    return made


def near(found, wanted) -> bool:
    return np.allclose(np.asarray(found, dtype=float), np.asarray(wanted, dtype=float), rtol=0, atol=1e-12)


count = len(rows)
for binary in (True, False):
    for shape in ((count,), (count, 1)):
        for of_answer in (True, False, None):
            wanted = None
            if of_answer is not None:
                wanted = [triton.InferRequestedOutput(each, binary_data=of_answer) for each in ("score", "label", "id")]
            answer = client.infer("buys", inputs(binary, shape), outputs=wanted, request_id="mine")
            assert answer.get_response()["id"] == "mine" and answer.get_response()["model_version"] == "1"
            assert near(answer.as_numpy("score"), [each["score"] for each in expected["buys"]])
            assert answer.as_numpy("label").tolist() == [each["label"] for each in expected["buys"]]
            ids = answer.as_numpy("id").tolist()
            assert len(set(ids)) == count and all(isinstance(each, str | bytes) for each in ids)
            assert (answer.as_numpy("version") is None) is (wanted is not None)

narrow = {**KINDS, "seats": (np.uint8, "UINT8"), "price": (np.float32, "FP32")}
answer = client.infer("buys", inputs(True, (count,), narrow), model_version="1")
assert near(answer.as_numpy("score"), [each["score"] for each in expected["buys"]])

answer = client.infer("spend", inputs(True, (count,)))
assert near(answer.as_numpy("value"), [each["value"] for each in expected["spend"]])
answer = client.infer("tier", inputs(True, (count,)))
classes = [name.decode() for name in answer.as_numpy("classes")]
assert sorted(classes) == ["gold", "none", "silver"]
wanted = [[each["scores"][name] for name in classes] for each in expected["tier"]]
assert answer.as_numpy("probabilities").shape == (count, 3) and near(answer.as_numpy("probabilities"), wanted)
assert [label.decode() for label in answer.as_numpy("label")] == [each["label"] for each in expected["tier"]]

pending = [client.async_infer("buys", inputs(True, (count,))) for _ in range(5)]
assert all(near(each.get_result().as_numpy("score"), [e["score"] for e in expected["buys"]]) for each in pending)


def refused(*words: str, model: str = "buys", **asked) -> None:
    try:
        client.infer(model, **asked)
    except InferenceServerException as error:
        assert error.status() in ("400", "404") and all(word in error.message() for word in words), error
    else:
        raise AssertionError(f"{words} was answered")


gate = triton.InferInput("gate", [1], "INT64").set_data_from_numpy(np.array([1]))
refused("no input 'gate'", "city", inputs=[gate])
refused("differ", "city has 3", inputs=[*inputs(True, (count,))[:1], triton.InferInput(
    "seats", [1], "INT64").set_data_from_numpy(np.array([1]))])  # fmt: skip
refused("buys@7", "buys@1 (production)", inputs=inputs(True, (count,)), model_version="7")
refused("no model 'nothing'", model="nothing", inputs=inputs(True, (count,)))
endless = triton.InferInput("price", [1], "FP64").set_data_from_numpy(np.array([np.inf]))
refused("price[0]: must be finite", inputs=[endless])
print("spoken")
