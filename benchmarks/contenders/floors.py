"""What the HTTP server of Rondo can do at most: bare ASGI on uvicorn, uvloop and httptools, one process.

    floors.py constant|bare-trainer|bare-fastest TREES PORT

`constant` answers the same bytes; the others parse a row with msgspec and predict, with `Booster.predict` on an array,
or through LightGBM's C interface for a single row with its buffers kept.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import msgspec
import numpy as np
import uvicorn

Predict = Callable[[Sequence[float | None]], float]
Receive, Send = Callable[[], Awaitable[dict[str, Any]]], Callable[[dict[str, Any]], Awaitable[None]]


class Asked(msgspec.Struct):
    """The body: rows of numbers in the order of the trees' columns."""

    rows: list[list[float | None]]


def by_the_trainer(trees: str) -> Predict:
    """LightGBM's own predict on an array, on one thread."""
    import lightgbm

    booster = lightgbm.Booster(model_file=trees)

    def predict(row: Sequence[float | None]) -> float:
        return float(booster.predict(np.array([row], dtype=np.float64), num_threads=1)[0])

    return predict


def by_the_fastest(trees: str) -> Predict:
    """LGBM_BoosterPredictForMatSingleRowFast on one kept row."""
    import ctypes

    import lightgbm
    from lightgbm import basic

    booster = lightgbm.Booster(model_file=trees)
    columns = booster.num_feature()
    row, out, written, setting = np.empty(columns), np.empty(1), ctypes.c_int64(), ctypes.c_void_p()
    basic._safe_call(
        basic._LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster._handle, ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_int(1), ctypes.c_int(columns),
            ctypes.c_char_p(b"num_threads=1"), ctypes.byref(setting),
        )
    )  # fmt: skip
    row_at, out_at, written_at = (
        ctypes.c_void_p(row.ctypes.data),
        ctypes.c_void_p(out.ctypes.data),
        ctypes.byref(written),
    )
    call = basic._LIB.LGBM_BoosterPredictForMatSingleRowFast

    def predict(given: Sequence[float | None]) -> float:
        assert booster is not None  # keeps the trees that the setting points to
        row[:] = given
        if call(setting, row_at, written_at, out_at):
            raise RuntimeError(basic._LIB.LGBM_GetLastError())
        return out.item()

    return predict


def application(answer: Callable[[bytes], bytes]) -> Any:
    """ASGI: the body's bytes in, the answer's bytes out."""

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        answered = answer(body)
        length = str(len(answered)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answered})

    return app


def answering(kind: str, trees: str) -> Callable[[bytes], bytes]:
    """What the floor of that kind does with a body."""
    if kind == "constant":
        return lambda body: b'{"scores":[0.5]}'
    predict = {"bare-trainer": by_the_trainer, "bare-fastest": by_the_fastest}[kind](trees)
    decode, encode = msgspec.json.Decoder(Asked).decode, msgspec.json.Encoder().encode
    return lambda body: encode({"scores": [predict(row) for row in decode(body).rows]})


def main() -> None:
    """Serve until ended."""
    kind, trees, port = sys.argv[1:]
    uvicorn.run(
        application(answering(kind, trees)), port=int(port), http="httptools", loop="uvloop", ws="none", lifespan="off",
        log_config=None, access_log=False, server_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
