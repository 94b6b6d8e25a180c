"""KServe's REST client against a server. Run with the clients' interpreter, as speak_triton.py."""

from __future__ import annotations

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

url, told = sys.argv[1], json.load(sys.stdin)
rows, expected = told["rows"], told["expected"]
KINDS = {"city": (object, "BYTES"), "seats": (np.int64, "INT64"), "member": (bool, "BOOL"), "price": (float, "FP64")}


def request(model: str, binary: bool, outputs: list[RequestedOutput] | None = None) -> InferRequest:
    inputs = []
    for name, (dtype, datatype) in KINDS.items():
        each = InferInput(name=name, shape=[len(rows)], datatype=datatype)
        each.set_data_from_numpy(np.array([row[name] for row in rows], dtype=dtype), binary_data=binary)
        inputs.append(each)
    return InferRequest(model_name=model, infer_inputs=inputs, request_outputs=outputs or [])


async def speak() -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=1))
    assert await client.is_server_live(url) and await client.is_server_ready(url)
    assert await client.is_model_ready(url, "buys")
    scores = [each["score"] for each in expected["buys"]]
    for binary in (True, False):
        answer = await client.infer(url, request("buys", binary), model_name="buys")
        found = {output.name: output.as_numpy() for output in answer.outputs}
        assert np.allclose(found["score"], scores, rtol=0, atol=1e-12)
        assert found["label"].tolist() == [each["label"] for each in expected["buys"]]
    wanted = [RequestedOutput("score", {"binary_data": True}), RequestedOutput("id", {"binary_data": True})]
    answer = await client.infer(url, request("buys", True, wanted), model_name="buys")
    assert [output.name for output in answer.outputs] == ["score", "id"]
    assert np.allclose(answer.outputs[0].as_numpy(), scores, rtol=0, atol=1e-12)
    try:
        await client.infer(url, request("nothing", True), model_name="nothing")
    except httpx.HTTPStatusError as error:
        assert "no model 'nothing'" in str(error), error
    else:
        raise AssertionError("a model that is not there answered")
    await client.close()


asyncio.run(speak())
print("spoken")
