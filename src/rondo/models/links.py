"""From a margin, where effects add up, to the score answered. Elementwise: a row alone scores as it does in a batch."""

from __future__ import annotations

from math import exp
from typing import Literal

import numpy as np

from rondo.stats.results import Floats

Link = Literal["identity", "sigmoid", "softmax"]


def sigmoid(margin: Floats) -> Floats:
    """1 / (1 + e^−m), without overflow."""
    # One by one: numpy's own exp rounds otherwise than Python's, which a row alone goes through.
    small = np.fromiter(map(exp, (-np.abs(margin)).ravel().tolist()), np.float64, margin.size).reshape(margin.shape)
    return np.where(margin >= 0, 1 / (1 + small), small / (1 + small))


def sigmoid_of(margin: float) -> float:
    """`sigmoid` of one margin, to the bit."""
    small = exp(-abs(margin))
    return 1 / (1 + small) if margin >= 0 else small / (1 + small)


def softmax(margins: Floats) -> Floats:
    """Probabilities (…, m) of margins (…, m), summed class by class."""
    grown = np.exp(margins - margins.max(axis=-1, keepdims=True))
    total = np.zeros(grown.shape[:-1])
    for each in range(grown.shape[-1]):
        total = total + grown[..., each]
    probabilities: Floats = grown / total[..., None]
    return probabilities


def scores(link: Link, margins: Floats) -> Floats:
    """Margins (n, m) as scores: (n,) of one margin, (n, m) of softmax."""
    if link == "softmax":
        return softmax(margins)
    return sigmoid(margins[:, 0]) if link == "sigmoid" else np.ascontiguousarray(margins[:, 0])
