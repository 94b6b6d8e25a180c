"""A packed model as one ONNX file: it scores on a device without Rondo, and scores the same.

One input a fed column, by its name, of the shape (rows, 1): text as string, numbers and truth values (1 and 0) as
double. NaN is missing; for text, whatever the vocabulary lacks is. Outputs have the words of an answer: `score` and
`label` (binary), `scores` and `label` (several classes), `value` (regression). Categories are encoded, scores
calibrated and labels told inside the graph, all in double precision: a threshold rounded to float sends rows another
way. What is looked up or derived for a request stays outside: these columns are inputs too.

The metadata property `rondo` is a JSON document of all that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from rondo.errors import BuildError, WrongUse
from rondo.models.agreement import apart
from rondo.models.encoding import Coding, encode_values
from rondo.models.links import Link
from rondo.models.onnx_graph import Graph, Tensor, library
from rondo.models.onnx_margins import Columns, margins_of
from rondo.models.packed import Packed
from rondo.stats.calibration import Calibration
from rondo.stats.classification import SMALLEST_PROBABILITY
from rondo.stats.results import Floats

ROWS = "rows"
_TYPES: dict[type, str] = {bool: "bool", int: "int64", float: "double", str: "string"}


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One input: its tensor `type`, what it is to the model, the text or number that says it is missing.

    `source` says where a server finds it: in the request, in a look-up, or by computing `sql` from the request.
    """

    name: str
    type: Literal["string", "double"]
    kind: Literal["number", "boolean", "category"]
    source: Literal["request", "look-up", "derived"]
    missing: str
    sql: str | None = None


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One output, under the word that an answer has for it; `name` differs where a column bears that word."""

    name: str
    what: Literal["score", "scores", "value", "label"]
    type: str
    shape: tuple[str | int, ...]


class Face(msgspec.Struct, frozen=True, kw_only=True):
    """What a user of the file meets. `ignored` columns are fed to the model but tell it nothing: they are no inputs."""

    version: str
    task: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    classes: tuple[str | int | float | bool, ...]
    threshold: float | None
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class Exported:
    """The bytes of an ONNX file, and what its user meets."""

    content: bytes
    face: Face


def export(packed: Packed, version: str) -> Exported:
    """A packed model as an ONNX file; the same bytes every time. `version` (late@7) is told in the file.

    Raises WrongUse where the model is of a project's own trainer, is fed nothing, or `onnx` is not installed.
    """
    face = _face(packed, version)
    graph = Graph({*(each.name for each in face.inputs), *(each.name for each in face.outputs)})
    margins, link = margins_of(graph, packed.predictor, _columns(graph, packed))
    scored = _scores(graph, margins, link)
    if packed.calibration is not None:
        scored = _calibrated(graph, scored, packed.calibration)
    first, *label = face.outputs
    graph.give(first.name, scored)
    if label:
        graph.give(label[0].name, _labels(graph, scored, packed))
    inputs: list[Tensor] = [(each.name, each.type, (ROWS, 1)) for each in face.inputs]
    outputs: list[Tensor] = [(each.name, each.type, each.shape) for each in face.outputs]
    told = {"rondo": msgspec.json.encode(face).decode()}
    return Exported(graph.model(packed.signature.model, inputs, outputs, told), face)


def greatest_difference(exported: Exported, packed: Packed, rows: Sequence[Sequence[object]]) -> float:
    """How far apart the scores of ONNX Runtime and of the packed model lie at most (relative above 1).

    Rows are values in the order of the fed columns. Infinite where a label is not what its score calls for. Raises
    BuildError where ONNX Runtime does not take the file, WrongUse where it is not installed.
    """
    expected = packed.score(encode_values(packed.encoder, rows))
    found, *labels = run(exported, packed, rows)
    if found.shape != expected.shape:
        return np.inf
    if labels and labels[0].tolist() != packed.labels(found):
        return np.inf
    return float(apart(found, expected).max(initial=0.0))


def run(exported: Exported, packed: Packed, rows: Sequence[Sequence[object]]) -> list[Any]:
    """What ONNX Runtime makes of rows of values in the order of the fed columns: an array an output, in their order."""
    runtime = library("onnxruntime")
    try:
        session = runtime.InferenceSession(exported.content, providers=["CPUExecutionProvider"])
        found: list[Any] = session.run([each.name for each in exported.face.outputs], _feeds(exported, packed, rows))
    except Exception as error:  # its errors have no tree of their own
        raise BuildError(
            f"ONNX Runtime {runtime.__version__} does not take the file: {error}.",
            next_step="Use ONNX Runtime 1.23 or newer.",
        ) from error
    return found


def _feeds(exported: Exported, packed: Packed, rows: Sequence[Sequence[object]]) -> dict[str, Any]:
    matrix = encode_values(packed.encoder, rows)
    places = {coding.name: place for place, coding in enumerate(packed.encoder.columns)}
    feeds: dict[str, Any] = {}
    for each in exported.face.inputs:
        place = places[each.name]
        values: Any = matrix[:, place]
        if each.type == "string":
            texts = [each.missing if row[place] is None else str(row[place]) for row in rows]
            values = np.array(texts, dtype=object)
        feeds[each.name] = values.reshape(-1, 1)
    return feeds


def _face(packed: Packed, version: str) -> Face:
    signature = packed.signature
    used = [coding for coding in packed.encoder.columns if coding.skipped is None]
    if not used:
        raise WrongUse(
            f"{version} is fed nothing that tells it anything: an ONNX file would have no inputs.",
            next_step="Give the model columns that it can use.",
        )
    asked = {column.name for column in signature.request}
    derived = {each.name: each.expression for each in signature.derived}
    outputs = _outputs(packed, {coding.name for coding in used})
    return Face(
        version=version,
        task=signature.task,
        inputs=tuple(_input(coding, asked, derived) for coding in used),
        outputs=outputs,
        classes=signature.classes,
        threshold=_threshold(packed) if signature.task == "binary" else None,
        ignored=tuple(coding.name for coding in packed.encoder.columns if coding.skipped is not None),
    )


def _input(coding: Coding, asked: set[str], derived: dict[str, str]) -> Input:
    missing = "NaN"
    if coding.kind == "category":
        missing = ""
        while missing in coding.vocabulary:
            missing += "?"
    name = coding.name
    return Input(
        name=name,
        type="string" if coding.kind == "category" else "double",
        kind=coding.kind,
        source="request" if name in asked else "derived" if name in derived else "look-up",
        missing=missing,
        sql=derived.get(name),
    )


def _outputs(packed: Packed, taken: set[str]) -> tuple[Output, ...]:
    signature = packed.signature

    def output(what: Literal["score", "scores", "value", "label"], kind: str, *more: int) -> Output:
        name: str = what
        while name in taken:
            name += "_"
        return Output(name=name, what=what, type=kind, shape=(ROWS, *more))

    if signature.task == "regression":
        return (output("value", "double"),)
    label = output("label", _TYPES[type(signature.classes[0])])
    if signature.task == "binary":
        return output("score", "double"), label
    return output("scores", "double", len(signature.classes)), label


def _columns(graph: Graph, packed: Packed) -> Columns:
    """The fed columns as the predictor's nodes take them: text as it is, numbers without infinities."""
    columns = {}
    for place, coding in enumerate(packed.encoder.columns):
        if coding.skipped is None:
            name = coding.name
            if coding.kind != "category":
                name = graph.add("Where", graph.add("IsInf", name), graph.constant(np.nan), name)
            columns[place] = (coding, name)
    return columns


def _scores(graph: Graph, margins: str, link: Link) -> str:
    """Margins (rows, m) under their link: (rows, m) of softmax, else (rows,)."""
    if link == "softmax":
        return graph.add("Softmax", margins, axis=1)
    one = graph.add("Squeeze", margins, graph.constant([1]))
    return _sigmoid(graph, one) if link == "sigmoid" else one


def _sigmoid(graph: Graph, margin: str) -> str:
    # Written out: runtimes have a Sigmoid of their own for floats, some of them approximate, and not all for doubles.
    grown = graph.add("Exp", graph.add("Neg", margin))
    return graph.add("Reciprocal", graph.add("Add", graph.constant(1.0), grown))


def _calibrated(graph: Graph, score: str, calibration: Calibration) -> str:
    how: dict[object, Callable[[Graph, str, Calibration], str]] = {"platt": _platt, "isotonic": _isotonic}
    return how[calibration["kind"]](graph, score, calibration)


def _platt(graph: Graph, score: str, calibration: Calibration) -> str:
    slope, intercept = np.asarray(calibration["coefficients"], dtype=np.float64)
    low, high = graph.constant(SMALLEST_PROBABILITY), graph.constant(1 - SMALLEST_PROBABILITY)
    p = graph.add("Clip", score, low, high)
    odds = graph.add("Sub", graph.add("Log", p), graph.add("Log", graph.add("Sub", graph.constant(1.0), p)))
    line = graph.add("Mul", odds, graph.constant(slope))
    return _sigmoid(graph, graph.add("Add", line, graph.constant(intercept)))


def _isotonic(graph: Graph, score: str, calibration: Calibration) -> str:
    """The straight line between the two points that a score lies between; beyond the ends, the end's."""
    x, y = _points(calibration)
    inside = graph.add("Clip", score, graph.constant(x[0]), graph.constant(x[-1]))
    column = graph.add("Unsqueeze", inside, graph.constant([1]))
    # The points passed, the first and the last not counted: the number of the stretch.
    passed = graph.integers(graph.add("GreaterOrEqual", column, graph.constant(x[None, 1:-1])))
    stretch = graph.add("ReduceSum", passed, graph.constant([1]), keepdims=0)
    start, height = (graph.add("Gather", graph.constant(each[:-1]), stretch) for each in (x, y))
    slope = graph.add("Gather", graph.constant(np.diff(y) / np.diff(x)), stretch)
    return graph.add("Add", graph.add("Mul", slope, graph.add("Sub", inside, start)), height)


def _points(calibration: Calibration) -> tuple[Floats, Floats]:
    x, y = (np.asarray(calibration[name], dtype=np.float64) for name in ("x", "y"))
    return (x, y) if len(x) > 1 else (np.array([x[0], x[0] + 1]), np.array([y[0], y[0]]))


def _threshold(packed: Packed) -> float:
    return 0.5 if packed.threshold is None else packed.threshold


def _labels(graph: Graph, scored: str, packed: Packed) -> str:
    classes = packed.signature.classes
    if packed.signature.task == "binary":
        number = graph.integers(graph.add("GreaterOrEqual", scored, graph.constant(_threshold(packed))))
    else:
        number = graph.add("ArgMax", scored, axis=1, keepdims=0)
    told = np.array(classes, dtype=object if isinstance(classes[0], str) else type(classes[0]))
    return graph.add("Gather", graph.constant(told), number)
