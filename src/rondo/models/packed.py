"""A packed model: signature, encoder, predictor, threshold, calibration and golden rows, as files of inert bytes.

    signature.json   what it asks and is fed
    encoder.json     how fed columns become numbers
    derived.json     derived features, bound: serving them needs no DuckDB
    packed.json      the kind of predictor, threshold, calibration
    golden.json      rows with the scores they must give
    model.txt, model.json, own/…   the predictor's own

The same model gives the same bytes. Loading runs no code that came with a file, and checks the golden rows first.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

from rondo.errors import BuildError, StoreError
from rondo.features.request import compile_derived
from rondo.features.signature import Signature
from rondo.models.attribution import Attribution, by_asking, of_classes, of_one_margin
from rondo.models.encoding import Encoder, encode_values
from rondo.models.links import scores, sigmoid_of
from rondo.models.predictors import Additive, LightGBM, Predictor, load_predictor
from rondo.project.models import OwnTrainer
from rondo.records.tables import Scalar
from rondo.sql.scalars import Scalar as Compiled
from rondo.sql.scalars import scalar_of
from rondo.stats.calibration import Calibration, apply_calibration, calibrator
from rondo.stats.results import Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa

_T = TypeVar("_T")
FORMAT = 2
"""1 had no derived.json."""
GOLDEN_ROWS = 16
TOLERANCE = 1e-9
UNSEEN = "\x00 never seen"
ENGINE = "RONDO_TREES"
"""The environment variable that, set to `trainer`, has trees scored by the package that trained them."""


class Golden(msgspec.Struct, frozen=True):
    """Rows of values in the order of the fed columns, and the scores expected of them, (n,) or (n, classes)."""

    rows: tuple[tuple[Scalar, ...], ...] = ()
    scores: tuple[float | tuple[float, ...], ...] = ()


class _Sheet(msgspec.Struct, frozen=True):
    format: int
    predictor: str
    threshold: float | None
    calibration: Calibration | None


@dataclass(frozen=True)
class Packed:
    """A model ready to answer.

    `threshold` makes labels of binary scores; `calibration` is applied to these scores; `bound` are the derived
    features as documents, None of a model that was never packed.
    """

    signature: Signature
    encoder: Encoder
    predictor: Predictor
    threshold: float | None = None
    calibration: Calibration | None = None
    golden: Golden = field(default_factory=Golden)
    bound: tuple[Mapping[str, Any], ...] | None = None

    @cached_property
    def derived(self) -> tuple[Compiled, ...]:
        """The derived features, compiled, in the signature's order."""
        return compile_derived(self.signature) if self.bound is None else tuple(map(scalar_of, self.bound))

    def score(self, matrix: Floats) -> Floats:
        """Calibrated scores of a matrix (n, columns): (n,) probabilities or values, (n, classes) probabilities."""
        raw = self.predictor.predict(matrix)
        return raw if self.calibration is None else apply_calibration(self.calibration, raw)

    @cached_property
    def score_row(self) -> Callable[[list[float]], float | list[float]]:
        """From one row of numbers to its calibrated score, or one a class; what `score` gives, without a matrix."""
        predictor = self.predictor
        if not isinstance(predictor, LightGBM) or predictor.link == "softmax":
            return lambda row: self.score(np.array([row], dtype=np.float64))[0].tolist()
        margins_of_row, calibrate = predictor.margins_of_row, calibrator(self.calibration)
        of_margin: Callable[[float], float] = sigmoid_of if predictor.link == "sigmoid" else float
        if calibrate is None:
            return lambda row: of_margin(margins_of_row(row)[0])
        return lambda row: calibrate(of_margin(margins_of_row(row)[0]))

    def label_of(self, score: float | list[float]) -> Scalar:
        """What one score is called."""
        if isinstance(score, list):
            return self.signature.classes[score.index(max(score))]
        if self.signature.task == "binary":
            return self.signature.classes[score >= (0.5 if self.threshold is None else self.threshold)]
        return score

    def label_numbers(self, scores: Floats) -> Ints:
        """Places of the labels among the classes (n,); regression has none, and gives zeros."""
        if self.signature.task == "multiclass":
            likeliest: Ints = scores.argmax(axis=1).astype(np.int64)
            return likeliest
        if self.signature.task == "binary":
            return (scores >= (0.5 if self.threshold is None else self.threshold)).astype(np.int64)
        return np.zeros(len(scores), dtype=np.int64)

    def labels(self, scores: Floats) -> list[Scalar]:
        """The class each score is called (n,), in the label's own type; of regression, the values themselves."""
        if self.signature.task == "regression":
            return [float(score) for score in scores]
        return [self.signature.classes[number] for number in self.label_numbers(scores)]

    def explain(self, matrix: Floats) -> list[Attribution]:
        """Why each row scores as it does, on the scale of the score; of several classes, the likeliest one's."""
        if not len(matrix):
            return []
        predictor = self.predictor
        if not isinstance(predictor, Additive):
            return by_asking(self.score, matrix, self._golden_matrix, seed=0)
        if predictor.link == "softmax" or self.signature.task == "multiclass":
            return of_classes(predictor, matrix)
        return of_one_margin(predictor, matrix, lambda margins: self._of_margins(predictor, margins))

    def _of_margins(self, predictor: Additive, margins: Floats) -> Floats:
        raw = scores(predictor.link, margins)
        return raw if self.calibration is None else apply_calibration(self.calibration, raw)

    @cached_property
    def _golden_matrix(self) -> Floats:
        return encode_values(self.encoder, self.golden.rows)


def with_golden(packed: Packed, table: pa.Table) -> Packed:
    """The model with golden rows out of `table`: rows spread over it, one of nulls, one of values never seen."""
    names = [column.name for column in packed.signature.fed]
    places = np.unique(np.linspace(0, table.num_rows - 1, min(GOLDEN_ROWS, table.num_rows)).astype(np.int64))
    taken = table.select(names).take(places).to_pylist()
    kinds = {coding.name: coding.kind for coding in packed.encoder.columns}
    rows = [tuple(_plain(row[name], kinds[name]) for name in names) for row in taken]
    unseen: dict[str, Scalar] = {"category": UNSEEN, "number": 0.0, "boolean": True}
    rows += [tuple(None for _ in names), tuple(unseen[kinds[name]] for name in names)]
    expected = packed.score(encode_values(packed.encoder, rows)).tolist()
    return replace(packed, golden=Golden(tuple(rows), tuple(tuple(s) if isinstance(s, list) else s for s in expected)))


def pack(packed: Packed) -> dict[str, bytes]:
    """The model as files, in order of their names."""
    files = {
        "signature.json": msgspec.json.encode(packed.signature),
        "encoder.json": msgspec.json.encode(packed.encoder),
        "derived.json": msgspec.json.encode([scalar.document() for scalar in packed.derived]),
        "packed.json": msgspec.json.encode(_Sheet(FORMAT, packed.predictor.kind, packed.threshold, packed.calibration)),
        "golden.json": msgspec.json.encode(packed.golden),
        **packed.predictor.save(),
    }
    return dict(sorted(files.items()))


def unpack(files: Mapping[str, bytes], own: OwnTrainer | None = None) -> Packed:
    """The model in these files. Raises StoreError where one is missing or unreadable, or a golden row scores otherwise.

    `own` is the project's trainer, which reads what it wrote; no file brings code.
    """
    sheet = _read(files, "packed.json", _Sheet)
    if sheet.format > FORMAT:
        raise StoreError(
            f"The packed model has format {sheet.format}; this Rondo reads up to {FORMAT}.", next_step="Upgrade Rondo."
        )
    packed = Packed(
        _read(files, "signature.json", Signature),
        _read(files, "encoder.json", Encoder),
        load_predictor(sheet.predictor, files, own),
        sheet.threshold,
        sheet.calibration,
        _read(files, "golden.json", Golden),
        _read(files, "derived.json", tuple[dict[str, Any], ...]) if sheet.format > 1 else None,
    )
    if not packed.golden.rows or len(packed.golden.rows) != len(packed.golden.scores):
        raise StoreError("The packed model has no golden rows.", next_step="Train the model again.")
    return _proven(packed)


def _proven(packed: Packed) -> Packed:
    """The model, if it gives its golden scores; with the trainer's own predictor where the fast engine does not."""
    predictor = packed.predictor
    if isinstance(predictor, LightGBM):
        fast = os.environ.get(ENGINE) != "trainer" and _off_golden(packed) is None
        packed = packed if fast else replace(packed, predictor=replace(predictor, engine="trainer"))
        if fast:
            return packed
    off = _off_golden(packed)
    if off is not None:
        raise StoreError(
            f"The packed model does not give its golden scores: they differ by up to {off:.3g}.",
            next_step="A file or a library changed: train the model again, or go back to that library.",
        )
    return packed


def _off_golden(packed: Packed) -> float | None:
    """By how much scores, of the rows together and one by one, differ from the golden ones; None where they do not."""
    matrix = encode_values(packed.encoder, packed.golden.rows)
    expected = np.asarray(packed.golden.scores, dtype=np.float64)
    try:
        together = packed.score(matrix)
        alone = np.asarray([packed.score_row(row) for row in matrix.tolist()])
    except BuildError as error:
        raise StoreError(error.message, next_step=error.next_step) from error
    if together.shape != expected.shape or alone.shape != expected.shape:
        return math.inf
    off = np.maximum(np.abs(together - expected), np.abs(alone - expected))
    return None if (off <= TOLERANCE * np.maximum(1.0, np.abs(expected))).all() else float(off.max())


def _read(files: Mapping[str, bytes], name: str, kind: type[_T]) -> _T:
    if name not in files:
        raise StoreError(f"The packed model has no {name}.", next_step="Train the model again.")
    try:
        return msgspec.json.decode(files[name], type=kind)
    except msgspec.DecodeError as error:
        raise StoreError(f"The packed model's {name} cannot be read: {error}.", next_step="Train it again.") from error


def _plain(value: object, kind: str) -> Scalar:
    """A value as JSON keeps it."""
    if value is None or value != value:
        return None
    if kind == "boolean":
        return bool(value)
    if kind == "category":
        return str(value)
    number = float(value)  # type: ignore[arg-type]  # a number of any type
    return number if np.isfinite(number) else None
