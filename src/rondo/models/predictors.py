"""What predicts: LightGBM's trees, a linear model, a constant, a project's own. Stored inert, loaded without code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec
import numpy as np

from rondo.errors import BuildError, StoreError
from rondo.models.linear import Constant, Linear
from rondo.models.links import Link, scores
from rondo.models.trees import Engine, TrainersTrees, Trees
from rondo.project.models import OwnTrainer
from rondo.stats.results import Floats

OWN = "own/"
_JSON: Mapping[str, type[Linear | Constant]] = {"linear": Linear, "constant": Constant}


class Predictor(Protocol):
    """Scores of a matrix (n, columns), alike for a row alone and in a batch."""

    @property
    def kind(self) -> str:
        """Its name among trainers: lightgbm, linear, constant, own."""
        ...

    def predict(self, matrix: Floats) -> Floats:
        """(n,) probabilities of the positive class or values; (n, classes) probabilities."""
        ...

    def save(self) -> dict[str, bytes]:
        """Files from which `load_predictor` makes it again: the same bytes every time."""
        ...


@runtime_checkable
class Additive(Predictor, Protocol):
    """A predictor whose columns add up: base and contributions sum to margins (n, m), a link makes scores of these."""

    @property
    def link(self) -> Link:
        """From margins to scores."""
        ...

    def margins(self, matrix: Floats) -> Floats:
        """(n, m)."""
        ...

    def contributions(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Base (m,) and shares (n, columns, m)."""
        ...


@dataclass(frozen=True)
class LightGBM:
    """Gradient-boosted trees (Ke and others, 2017), kept as LightGBM's text: trees only, no parameters.

    Scored through LightGBM's C interface, or, with `engine` "trainer", by the Python package that trained them.
    """

    text: str
    link: Link
    engine: Engine = "fast"
    kind: ClassVar[str] = "lightgbm"

    @cached_property
    def _trees(self) -> Trees | TrainersTrees:
        return Trees(self.text) if self.engine == "fast" else TrainersTrees(self.text)

    def margins(self, matrix: Floats) -> Floats:
        """Sums of the trees' leaves (n, m)."""
        return self._trees.margins(matrix)

    def margins_of_row(self, row: list[float]) -> list[float]:
        """The margins (m,) of one row of numbers."""
        return self._trees.margins_of_row(row)

    def predict(self, matrix: Floats) -> Floats:
        """Scores (n,) or (n, classes)."""
        return scores(self.link, self.margins(matrix))

    def contributions(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Exact TreeSHAP (Lundberg and others, 2020), path-dependent: base (m,) and shares (n, columns, m)."""
        by_class = self._trees.contributions(matrix).transpose(0, 2, 1)
        return np.ascontiguousarray(by_class[0, -1]), np.ascontiguousarray(by_class[:, :-1])

    def save(self) -> dict[str, bytes]:
        """As LightGBM's text, and the link beside it."""
        return {"model.txt": self.text.encode(), "model.json": msgspec.json.encode({"link": self.link})}


@dataclass(frozen=True)
class Own:
    """What a project's own trainer fitted, as read back from its files."""

    files: Mapping[str, bytes]
    fitted: Any
    kind: ClassVar[str] = "own"

    def predict(self, matrix: Floats) -> Floats:
        """Scores (n,) or (n, classes); BuildError where its `predict` gives anything else."""
        try:
            with np.errstate(all="ignore"):
                found = np.asarray(self.fitted.predict(matrix), dtype=np.float64)
        except Exception as error:
            raise BuildError(
                f"The model's own predict failed: {type(error).__name__}: {error}.",
                next_step="Mend the trainer's predict: it gets a float64 matrix with NaN for missing values.",
            ) from error
        if found.ndim not in (1, 2) or len(found) != len(matrix):
            raise BuildError(
                f"The model's own predict gave the shape {found.shape} for {len(matrix)} rows.",
                next_step="Answer one number a row, or one a class.",
            )
        if bad := np.count_nonzero(~np.isfinite(found.reshape(len(matrix), -1)).all(axis=1)):
            raise BuildError(
                f"The model's own predict gave numbers that are not finite for {bad} of {len(matrix)} rows.",
                next_step="Answer something for every row: any value may be missing (NaN), even all of them.",
            )
        return found

    def save(self) -> dict[str, bytes]:
        """Its trainer's files, below `own/`."""
        return {OWN + name: content for name, content in self.files.items()}


def own_from(trainer: OwnTrainer, files: Mapping[str, bytes]) -> Own:
    """The predictor that the project's trainer reads out of its files."""
    try:
        return Own(dict(files), trainer.load(files))
    except Exception as error:
        raise BuildError(
            f"The trainer's own load failed: {type(error).__name__}: {error}.",
            next_step="Mend its load: it gets the files that its save gave.",
        ) from error


def load_predictor(kind: str, files: Mapping[str, bytes], own: OwnTrainer | None = None) -> Predictor:
    """The predictor of that kind in a packed model's files. Raises StoreError."""
    try:
        if kind == "lightgbm":
            beside = msgspec.json.decode(files["model.json"], type=dict[str, Link])
            return LightGBM(files["model.txt"].decode(), beside["link"])
        if kind in ("linear", "constant"):
            model: Linear | Constant = msgspec.json.decode(files["model.json"], type=_JSON[kind])
            return model
    except (KeyError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise StoreError(f"The packed {kind} model cannot be read: {error!r}.", next_step="Train it again.") from error
    if kind != "own":
        raise StoreError(f"There is no predictor {kind!r}.", next_step="Use the Rondo that packed it, or a newer one.")
    if own is None:
        raise StoreError(
            "The packed model was fitted by the project's own trainer, which its declaration no longer names.",
            next_step="Bring the trainer back into the model's declaration.",
        )
    return own_from(own, {name.removeprefix(OWN): content for name, content in files.items() if name.startswith(OWN)})
