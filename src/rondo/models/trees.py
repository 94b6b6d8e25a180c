"""LightGBM's trees through its C interface: no import of the Python package, one row at a time without a copy.

The library file of the installed LightGBM is loaded directly. One row goes through `PredictForMatSingleRowFast`, whose
buffers and settings are made once; it gives the margins that LightGBM's own `predict` gives. Many rows go through
`PredictForMat`.
"""

from __future__ import annotations

import ctypes
import os
import threading
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int64, c_void_p
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rondo.errors import StoreError
from rondo.stats.results import Floats

MANY_ROWS = 1000
"""From so many rows on several threads predict: each row by itself, so the figures are the same."""
_FLOAT64, _ROW_MAJOR = 1, 1
_RAW, _CONTRIBUTIONS = 1, 3
_NAMES = ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll")


Engine = Literal["fast", "trainer"]


class Trees:
    """Trees read from LightGBM's text. Safe for threads: each row holds the interpreter's lock while it is scored."""

    def __init__(self, text: str) -> None:
        self._library, row_library = _libraries()
        self._handle = c_void_p()
        count = c_int()
        self._call("LGBM_BoosterLoadModelFromString", text.encode(), byref(count), byref(self._handle))
        self.columns = self._number("LGBM_BoosterGetNumFeature")
        self.margins_a_row = self._number("LGBM_BoosterNumModelPerIteration")
        self._settings = c_void_p()
        self._call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            self._handle, _RAW, 0, -1, _FLOAT64, self.columns, b"num_threads=1", byref(self._settings),
        )  # fmt: skip
        self._score = row_library.LGBM_BoosterPredictForMatSingleRowFast
        self._buffers = _Buffers(self.columns, self.margins_a_row)

    def margins_of_row(self, row: list[float]) -> list[float]:
        """Sums of the trees' leaves for one row of `columns` numbers (NaN where missing): `margins_a_row` of them."""
        buffers = self._buffers
        buffers.row[:] = row  # type: ignore[assignment]  # whole numbers among them are as good
        if self._score(self._settings, buffers.row_at, buffers.count_at, buffers.out_at):
            raise self._error()
        return list(buffers.out)

    def margins(self, matrix: Floats) -> Floats:
        """Sums of the trees' leaves (n, margins_a_row) of a matrix (n, columns)."""
        return self._predicted(matrix, _RAW, self.margins_a_row)

    def contributions(self, matrix: Floats) -> Floats:
        """TreeSHAP shares (n, margins_a_row, columns + 1); the last is the base."""
        width = self.margins_a_row * (self.columns + 1)
        return self._predicted(matrix, _CONTRIBUTIONS, width).reshape(len(matrix), self.margins_a_row, -1)

    def _predicted(self, matrix: Floats, kind: int, width: int) -> Floats:
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        out = np.empty((len(rows), width))
        if not len(rows):
            return out
        written = c_int64()
        threads = b"num_threads=%d" % _threads(rows)
        self._call(
            "LGBM_BoosterPredictForMat",
            self._handle, c_void_p(rows.ctypes.data), _FLOAT64, len(rows), rows.shape[1], _ROW_MAJOR, kind, 0, -1,
            threads, byref(written), out.ctypes.data_as(POINTER(c_double)),
        )  # fmt: skip
        return out

    def _number(self, name: str) -> int:
        found = c_int()
        self._call(name, self._handle, byref(found))
        return found.value

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._library, name)(*arguments):
            raise self._error()

    def _error(self) -> StoreError:
        return _unreadable((self._library.LGBM_GetLastError() or b"").decode(errors="replace"))

    def __del__(self) -> None:
        if settings := getattr(self, "_settings", None):
            self._library.LGBM_FastConfigFree(settings)
        if handle := getattr(self, "_handle", None):
            self._library.LGBM_BoosterFree(handle)


def joined(first: str, then: str) -> str:
    """One model of the trees of both, those of `first` before those of `then`; both of the same columns and margins."""
    library, _ = _libraries()
    model, others = (_loaded(library, text) for text in (then, first))
    try:
        if library.LGBM_BoosterMerge(model, others):  # the other's trees come first
            raise _unreadable((library.LGBM_GetLastError() or b"").decode(errors="replace"))
        return _written(library, model)
    finally:
        for handle in (model, others):
            library.LGBM_BoosterFree(handle)


def _loaded(library: Any, text: str) -> c_void_p:
    handle = c_void_p()
    if library.LGBM_BoosterLoadModelFromString(text.encode(), byref(c_int()), byref(handle)):
        raise _unreadable((library.LGBM_GetLastError() or b"").decode(errors="replace"))
    return handle


def _written(library: Any, handle: c_void_p) -> str:
    """All trees as text."""
    length, needed = 0, c_int64()
    while True:
        out = ctypes.create_string_buffer(max(1, length))
        if library.LGBM_BoosterSaveModelToString(handle, 0, -1, 0, c_int64(length), byref(needed), out):
            raise _unreadable((library.LGBM_GetLastError() or b"").decode(errors="replace"))
        if needed.value <= length:
            return out.value.decode()
        length = needed.value


class _Buffers(threading.local):
    """Where a row and its margins stand, made once for each thread."""

    def __init__(self, columns: int, margins: int) -> None:
        self.row = (c_double * max(1, columns))()
        self.out = (c_double * margins)()
        self._count = c_int64()
        self.row_at, self.out_at = ctypes.addressof(self.row), ctypes.addressof(self.out)
        self.count_at = ctypes.addressof(self._count)


class TrainersTrees:
    """The same by the Python package that trained them, as its users would predict: where `Trees` is not proven."""

    def __init__(self, text: str) -> None:
        lightgbm = lightgbm_library()
        try:
            self._booster = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise _unreadable(str(error)) from error
        self.margins_a_row = int(self._booster.num_model_per_iteration())

    def margins_of_row(self, row: list[float]) -> list[float]:
        """See Trees."""
        found: list[float] = self.margins(np.array([row]))[0].tolist()
        return found

    def margins(self, matrix: Floats) -> Floats:
        """See Trees."""
        if not len(matrix):
            return np.empty((0, self.margins_a_row))
        raw = np.asarray(self._booster.predict(matrix, raw_score=True, num_threads=_threads(matrix)))
        return raw.reshape(len(matrix), -1)

    def contributions(self, matrix: Floats) -> Floats:
        """See Trees."""
        shares = np.asarray(self._booster.predict(matrix, pred_contrib=True, num_threads=_threads(matrix)))
        return shares.reshape(len(matrix), self.margins_a_row, -1)


def lightgbm_library() -> Any:
    """LightGBM's Python package, imported so that its threads sleep while they wait for one another.

    Threads that spin instead fight over a busy machine: two of them on two shared cores were 14 times slower than one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import lightgbm

    return lightgbm


def _threads(matrix: Floats) -> int:
    return 1 if len(matrix) < MANY_ROWS else 0


def _unreadable(said: str) -> StoreError:
    return StoreError(f"The packed trees cannot be read: {said}.", next_step="Train the model again.")


@cache
def _libraries() -> tuple[Any, Any]:
    """The library twice: with the interpreter's lock let go for long calls, and held for the 20 µs of a row."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # see lightgbm_library
    found = find_spec("lightgbm")
    places = [Path(each) for each in (found.submodule_search_locations or ()) if found] if found else []
    for path in (place / folder / name for place in places for folder in ("lib", "bin", ".") for name in _NAMES):
        if path.is_file():
            free, held = ctypes.CDLL(str(path)), ctypes.PyDLL(str(path))
            free.LGBM_GetLastError.restype = c_char_p
            held.LGBM_BoosterPredictForMatSingleRowFast.argtypes = (c_void_p, c_void_p, c_void_p, c_void_p)
            return free, held
    raise StoreError("LightGBM's library is not installed here.", next_step="Install lightgbm again.")
