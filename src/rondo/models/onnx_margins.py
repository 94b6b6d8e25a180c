"""Predictors as nodes of an ONNX graph, from the fed columns to margins, in double precision throughout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from rondo.errors import StoreError, WrongUse
from rondo.models.encoding import Coding
from rondo.models.linear import FAR, Constant, Linear, Term
from rondo.models.links import Link
from rondo.models.onnx_graph import Graph
from rondo.models.predictors import LightGBM, Predictor

Columns = Mapping[int, tuple[Coding, str]]
"""By its place in a matrix: a fed column, and its tensor (rows, 1): text, or numbers of which none is infinite."""
KINDS = ("lightgbm", "linear", "constant")
NEARLY_ZERO = float(np.float32(1e-35))
"""LightGBM reads what is no farther from zero as zero (its kZeroThreshold)."""
_LEQ, _MEMBER = 0, 6
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_NO_MISSING, _NAN_MISSING = 0, 2


def margins_of(graph: Graph, predictor: Predictor, columns: Columns) -> tuple[str, Link]:
    """Nodes for a predictor's margins (rows, m), and their link. Raises WrongUse for a kind that has no such nodes."""
    if isinstance(predictor, LightGBM):
        return _trees(graph, predictor.text, columns), predictor.link
    if isinstance(predictor, Linear):
        return _linear(graph, predictor, columns), predictor.link
    if isinstance(predictor, Constant):
        return _constant(graph, predictor, columns), predictor.link
    raise WrongUse(
        f"A model of the trainer {predictor.kind} cannot be written as ONNX; of these it can: {', '.join(KINDS)}.",
        next_step="Train it with one of these, or export what your own trainer fitted with its own library.",
    )


def _constant(graph: Graph, predictor: Constant, columns: Columns) -> str:
    shape = graph.add("Shape", next(name for _, name in columns.values()))
    return graph.add("Expand", graph.constant([predictor.value]), shape)


def _linear(graph: Graph, predictor: Linear, columns: Columns) -> str:
    """Numbers by one product of matrices, each category by its row of a table."""
    terms = {place: term for place, term in enumerate(predictor.terms) if place in columns}
    parts = [graph.constant([predictor.intercept])]
    if numbers := [place for place, term in terms.items() if term.kind == "number"]:
        parts += _standardised(graph, [terms[p] for p in numbers], [columns[p][1] for p in numbers])
    for place, term in terms.items():
        if term.kind == "category":
            coding, name = columns[place]
            # What the vocabulary lacks takes the place after the last: the weights of missing.
            code = _coded(graph, coding, name, np.arange(len(term.weights)), len(term.weights))
            table = graph.constant([*term.weights, term.missing])
            parts.append(graph.add("Gather", table, graph.add("Squeeze", code, graph.constant([1]))))
    if len(parts) == 1:
        shape = graph.add("Shape", next(name for _, name in columns.values()))
        return graph.add("Expand", parts[0], shape)
    return graph.add("Sum", *parts)


def _standardised(graph: Graph, terms: Sequence[Term], names: Sequence[str]) -> list[str]:
    """What numbers add: their distances from the mean times weights, and the weights of those that are missing."""
    matrix = graph.add("Concat", *names, axis=1)
    gone = graph.add("IsNaN", matrix)
    mean = graph.constant([[term.mean for term in terms]])
    filled = graph.add("Where", gone, mean, matrix)
    away = graph.add("Div", graph.add("Sub", filled, mean), graph.constant([[term.scale for term in terms]]))
    near = graph.add("Clip", away, graph.constant(-FAR), graph.constant(FAR))
    absent = graph.add("Where", gone, graph.constant(1.0), graph.constant(0.0))
    return [
        graph.add("MatMul", near, graph.constant([term.weights[0] for term in terms])),
        graph.add("MatMul", absent, graph.constant([term.missing for term in terms])),
    ]


def _coded(graph: Graph, coding: Coding, name: str, codes: Any, missing: float | int) -> str:
    """Text as its place in the vocabulary, whatever else as `missing`: (rows, 1) of the type of `codes`."""
    values = codes if len(codes) else np.array([missing], codes.dtype)
    return graph.add(
        "LabelEncoder", name, keys_tensor=np.array(coding.vocabulary or ("",), dtype=object), values_tensor=values,
        default_tensor=np.array([missing], codes.dtype),
    )  # fmt: skip


def _trees(graph: Graph, text: str, columns: Columns) -> str:
    """LightGBM's text as one ensemble, node for node."""
    numbers = [
        _coded(graph, coding, name, np.arange(len(coding.vocabulary), dtype=np.float64), np.nan)
        if coding.kind == "category"
        else name
        for coding, name in columns.values()
    ]
    matrix = graph.add("Concat", *numbers, axis=1)
    head, *trees = map(_fields, text.partition("\nend of trees")[0].split("\nTree="))
    most = max((int(tree["num_leaves"]) for tree in trees), default=0)
    ensemble = _Ensemble({place: number for number, place in enumerate(columns)}, most)
    alike = np.zeros(int(head["num_tree_per_iteration"]))
    for number, tree in enumerate(trees):
        target = number % len(alike)
        if int(tree["num_leaves"]) > 1:
            ensemble.grow(tree, target=target)
        else:  # the operator knows no such tree
            alike[target] += float(tree["leaf_value"])
    constant = graph.constant([alike])
    if ensemble.empty:
        return graph.add("Expand", constant, graph.add("Shape", next(name for _, name in columns.values())))
    return graph.add("Add", graph.add("TreeEnsemble", matrix, n_targets=len(alike), **ensemble.attributes()), constant)


def _fields(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


class _Ensemble:
    """Nodes and leaves of trees, one after the other, as the operator TreeEnsemble lists them.

    `places` maps a column's place in the packed matrix to its place in the operator's; `most` is the number of leaves
    of the largest tree.
    """

    def __init__(self, places: Mapping[int, int], most: int) -> None:
        self._places = places
        self._roots: list[int] = []
        self._columns: list[int] = []
        self._splits: list[float] = []
        self._modes: list[int] = []
        self._missing_left: list[int] = []
        self._members: list[float] = []
        self._children: dict[str, list[int]] = {"true": [], "false": []}
        self._are_leaves: dict[str, list[int]] = {"true": [], "false": []}
        # Leaves that nothing leads to keep the number of a tree's leaf above those of its nodes: ONNX Runtime before
        # 1.24 takes a root for a leaf where both its ways have the same number, though one leads to a node.
        self._leaves = [0.0] * most
        self._targets = [0] * most

    @property
    def empty(self) -> bool:
        """Whether there is no tree yet."""
        return not self._roots

    def grow(self, tree: Mapping[str, str], *, target: int) -> None:
        """Add a tree of LightGBM's text, of two leaves or more, which count for one margin."""
        first, first_leaf = len(self._columns), len(self._leaves)
        leaves = _numbers(tree["leaf_value"])
        self._roots.append(first)
        self._leaves += leaves
        self._targets += [target] * len(leaves)
        splits, kinds = _numbers(tree["threshold"]), _whole(tree["decision_type"])
        sets = _category_sets(tree) if int(tree["num_cat"]) else []
        for column, split, kind in zip(_whole(tree["split_feature"]), splits, kinds, strict=True):
            if kind & _CATEGORICAL:
                self._members += [*sets[int(split)], np.nan]
                self._split(column, _MEMBER, 0.0, missing_left=False)
            else:
                self._split(column, _LEQ, _reached(split), missing_left=_missing_left(kind, split))
        for side, name in (("true", "left_child"), ("false", "right_child")):
            for child in _whole(tree[name]):
                self._lead(side, first_leaf + ~child if child < 0 else first + child, leaf=child < 0)

    def attributes(self) -> dict[str, object]:
        """As the operator takes them."""
        found: dict[str, object] = {
            "tree_roots": self._roots,
            "nodes_featureids": self._columns,
            "nodes_splits": np.array(self._splits),
            "nodes_modes": np.array(self._modes, dtype=np.uint8),
            "nodes_missing_value_tracks_true": self._missing_left,
            "leaf_targetids": self._targets,
            "leaf_weights": np.array(self._leaves),
        }
        for side in ("true", "false"):
            found[f"nodes_{side}nodeids"] = self._children[side]
            found[f"nodes_{side}leafs"] = self._are_leaves[side]
        return {**found, "membership_values": np.array(self._members)} if self._members else found

    def _split(self, column: int, mode: int, split: float, *, missing_left: bool) -> None:
        self._columns.append(self._places[column])
        self._modes.append(mode)
        self._splits.append(split)
        self._missing_left.append(int(missing_left))

    def _lead(self, side: str, place: int, *, leaf: bool) -> None:
        self._children[side].append(place)
        self._are_leaves[side].append(int(leaf))


def _missing_left(kind: int, split: float) -> bool:
    """Where LightGBM sends a missing number: the way it learned, or that of zero where it met none in training."""
    learned = (kind >> 2) & 3
    if learned not in (_NO_MISSING, _NAN_MISSING):
        raise StoreError(
            "The packed trees read zero as missing, which Rondo never trains.", next_step="Train it again."
        )
    return bool(kind & _DEFAULT_LEFT) if learned == _NAN_MISSING else split >= 0


def _reached(split: float) -> float:
    """The threshold that gives every number the way it has after what is nearly zero became zero."""
    if not -NEARLY_ZERO <= split < NEARLY_ZERO:
        return split
    return NEARLY_ZERO if split >= 0 else float(np.nextafter(-NEARLY_ZERO, -np.inf))


def _category_sets(tree: Mapping[str, str]) -> list[list[float]]:
    """The codes that go left, a list a categorical split: LightGBM keeps them as words of 32 bits."""
    ends, words = _whole(tree["cat_boundaries"]), _whole(tree["cat_threshold"])
    return [
        [float(32 * number + bit) for number, word in enumerate(words[a:b]) for bit in range(32) if word >> bit & 1]
        for a, b in pairwise(ends)
    ]


def _whole(text: str) -> list[int]:
    return [int(each) for each in text.split()]


def _numbers(text: str) -> list[float]:
    return [float(each) for each in text.split()]
