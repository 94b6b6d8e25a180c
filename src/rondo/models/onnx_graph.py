"""An ONNX graph put together a node at a time, and the door to the libraries that write and run such graphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse

OPSETS = {"": 21, "ai.onnx.ml": 5}
"""Versions of the operators: `TreeEnsemble` came with the second. ONNX Runtime reads both, sets of categories in good
time, since 1.23."""
IR_VERSION = 10
_OF_MACHINE_LEARNING = ("LabelEncoder", "TreeEnsemble")
_TENSORS = {"double": "DOUBLE", "string": "STRING", "int64": "INT64", "bool": "BOOL"}

Tensor = tuple[str, str, Sequence[str | int]]
"""A tensor's name, its type (double, string, int64, bool) and its shape."""


def library(name: str) -> Any:
    """`onnx` or `onnxruntime`. Raises WrongUse where it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise WrongUse(
            f"ONNX needs the library {name}, which is not installed.",
            next_step='Install it: pip install "rondo-ml[onnx]".',
        ) from error


class Graph:
    """Nodes and constants in the order they are added, each under a name of its own.

    `taken` are names that no node or constant may bear: those of inputs and outputs.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._onnx = library("onnx")
        self._taken = set(taken)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: npt.ArrayLike) -> str:
        """The name of a constant: float64, int64, bool, or text (an array of objects)."""
        name = self._name("constant")
        self._constants.append(self._onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        """A node; the name of what it gives. An array among the attributes becomes a tensor."""
        return self._add(self._name(operator), operator, inputs, attributes)

    def integers(self, name: str) -> str:
        """Truth values as 0 and 1."""
        return self.add("Cast", name, to=int(self._onnx.TensorProto.INT64))

    def give(self, output: str, name: str) -> None:
        """An output of the graph: what the node `name` gives."""
        self._add(output, "Identity", (name,), {})

    def model(self, name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor], told: dict[str, str]) -> bytes:
        """The graph as the bytes of an ONNX file, `told` as its metadata: the same bytes every time."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes, name, [self._value(*each) for each in inputs], [self._value(*each) for each in outputs],
            self._constants,
        )  # fmt: skip
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="rondo")
        helper.set_model_props(model, told)
        self._onnx.checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _add(self, output: str, operator: str, inputs: Sequence[str], attributes: dict[str, object]) -> str:
        tensors = {
            name: self._onnx.numpy_helper.from_array(value, name) if isinstance(value, np.ndarray) else value
            for name, value in attributes.items()
        }
        domain = "ai.onnx.ml" if operator in _OF_MACHINE_LEARNING else ""
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [output], domain=domain, **tensors))
        return output

    def _name(self, what: str) -> str:
        name = f"{what}_{len(self._taken)}"
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def _value(self, name: str, kind: str, shape: Sequence[str | int]) -> Any:
        helper, types = self._onnx.helper, self._onnx.TensorProto
        return helper.make_tensor_value_info(name, getattr(types, _TENSORS[kind]), shape)
