"""LightGBM's trees, grown a round at a time: stopped early by validation, or on time by a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rondo.errors import BuildError, DeclarationError
from rondo.models.links import Link
from rondo.models.predictors import LightGBM
from rondo.models.trees import joined, lightgbm_library
from rondo.project.models import TaskKind
from rondo.records.progress import Progress, silent
from rondo.records.tables import Scalar
from rondo.stats.results import Floats

THREADS = 2
"""As many on every machine, so that sums round alike. `num_threads` in a declaration says otherwise."""
FEW_CELLS = 200_000
"""Fewer numbers than this are faster on one thread."""
ROUNDS = 2000
PATIENCE = 50
"""Rounds without a better validation loss before growing ends."""
OBJECTIVES: Mapping[TaskKind, Mapping[str, str]] = {  # objective: the loss that stops it
    "binary": {"binary": "binary_logloss"},
    "multiclass": {"multiclass": "multi_logloss"},
    "regression": {"regression": "l2", "regression_l1": "l1", "huber": "huber", "quantile": "quantile", "mape": "mape"},
}
LINKS: Mapping[TaskKind, Link] = {"binary": "sigmoid", "multiclass": "softmax", "regression": "identity"}
ALIASES: Mapping[str, tuple[str, ...]] = {
    "num_iterations": ("n_estimators", "num_trees", "num_boost_round"),
    "learning_rate": ("shrinkage_rate", "eta"),
    "num_leaves": ("max_leaves",),
    "max_depth": (),
    "min_data_in_leaf": ("min_child_samples", "min_data"),
    "min_sum_hessian_in_leaf": ("min_child_weight",),
    "bagging_fraction": ("subsample",),
    "bagging_freq": ("subsample_freq",),
    "feature_fraction": ("colsample_bytree",),
    "feature_fraction_bynode": ("colsample_bynode",),
    "lambda_l1": ("reg_alpha",),
    "lambda_l2": ("reg_lambda",),
    "min_gain_to_split": ("min_split_gain",),
    "max_bin": (),
    "extra_trees": (),
    "path_smooth": (),
    "max_delta_step": (),
    "min_data_per_group": (),
    "max_cat_threshold": (),
    "cat_l2": (),
    "cat_smooth": (),
    "max_cat_to_onehot": (),
    "scale_pos_weight": (),
    "is_unbalance": ("unbalance",),
    "objective": (),
    "alpha": (),
    "early_stopping_rounds": ("early_stopping_round", "patience"),
    "num_threads": ("n_jobs", "num_thread"),
}
_MEANT = {written: name for name, others in ALIASES.items() for written in (name, *others)}
_OF_DATA = ("max_bin",)


@dataclass(frozen=True)
class Grown:
    """Trees and how they came out: rounds kept, and whether time ran out before validation said stop."""

    predictor: LightGBM
    rounds: int
    cut: bool


def resolve(written: Mapping[str, Any], task: TaskKind, rows: int) -> dict[str, Scalar]:
    """Declared parameters under LightGBM's first names, with the defaults that depend on the rows.

    Raises DeclarationError for an unknown one, a doubled one, or an objective of another task.
    """
    named: dict[str, Scalar] = {}
    for name, value in written.items():
        meant = _MEANT.get(name)
        if meant is None:
            raise DeclarationError(
                f"rd.lightgbm has no parameter {name!r}; it has: {', '.join(ALIASES)}.",
                next_step="Use one of these, or take it out.",
            )
        if meant in named:
            raise DeclarationError(f"rd.lightgbm says {meant} twice, as {name} too.", next_step="Keep one of them.")
        if not isinstance(value, str | int | float | bool):
            raise DeclarationError(f"rd.lightgbm has {name}={value!r}.", next_step="Use a number.")
        named[meant] = value
    objective = str(named.get("objective", next(iter(OBJECTIVES[task]))))
    if objective not in OBJECTIVES[task]:
        raise DeclarationError(
            f"rd.lightgbm cannot do {task} with objective={objective!r}; it can: {', '.join(OBJECTIVES[task])}.",
            next_step="Use one of these, or take it out.",
        )
    leaf, group = max(2, min(20, rows // 20)), max(5, min(100, rows // 50))
    defaults: dict[str, Scalar] = {"learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": leaf}
    return {**defaults, "min_data_per_group": group, **named, "objective": objective}


class Boosting:
    """Rows binned once, on which trees are grown as often as wanted. Rows of validation may be none."""

    def __init__(
        self,
        train: tuple[Floats, Floats],
        validation: tuple[Floats, Floats] | None,
        categories: tuple[int, ...],
        task: TaskKind,
        classes: int,
        seed: int,
        of_data: Mapping[str, Scalar] | None = None,
        start: LightGBM | None = None,
    ) -> None:
        lightgbm = lightgbm_library()
        self._start = start
        self._task, self._classes, self._seed = task, classes, seed
        self._columns = train[0].shape[1]
        chosen = {name: value for name, value in (of_data or {}).items() if name in _OF_DATA}
        self._fixed: dict[str, Any] = {
            "verbosity": -1,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": THREADS if train[0].size >= FEW_CELLS else 1,
            "feature_pre_filter": False,
            **chosen,
        }
        names = [f"f{place}" for place in range(self._columns)]
        self._train = lightgbm.Dataset(
            train[0], train[1], feature_name=names, categorical_feature=list(categories), params=self._fixed,
            init_score=self._begun(train[0]),
        )  # fmt: skip
        self._validation = None
        if validation is not None and len(validation[1]):
            self._validation = lightgbm.Dataset(
                *validation, reference=self._train, params=self._fixed, init_score=self._begun(validation[0])
            )

    def grow(
        self,
        parameters: Mapping[str, Scalar],
        *,
        deadline: Callable[[int], float] | None = None,
        progress: Progress = silent,
        timer: Callable[[], float] = time.monotonic,
    ) -> Grown:
        """Trees of resolved parameters: `num_iterations` rounds at most, `early_stopping_rounds` of patience.

        Without validation rows, or without patience, all rounds are kept. Grown on from a start, no round at all may be
        the best; the trees are the start's and the new ones, `rounds` counts the new. `deadline` says, for a number of
        rounds, by when on `timer` growing must end; a round that would pass it is not begun. Raises BuildError where
        LightGBM refuses.
        """
        lightgbm = lightgbm_library()
        limit = int(str(parameters.get("num_iterations", ROUNDS)))
        patience = int(str(parameters.get("early_stopping_rounds", 0)))
        given = {k: v for k, v in parameters.items() if k not in ("num_iterations", "early_stopping_rounds")}
        loss = OBJECTIVES[self._task][str(parameters["objective"])]
        classes = {"num_class": self._classes} if self._task == "multiclass" else {}
        try:
            booster = lightgbm.Booster({**self._fixed, **given, **classes, "metric": loss}, self._train)
            watched = self._validation is not None and patience > 0
            if watched:
                booster.add_valid(self._validation, "validation")
            best, cut = self._rounds(booster, limit, patience if watched else 0, deadline, progress, timer)
            predictor = self._grown(booster, best)
        except lightgbm.basic.LightGBMError as error:
            raise BuildError(
                f"LightGBM refused: {error}.", next_step="Mend the parameters of rd.lightgbm, or the rows."
            ) from error
        return Grown(predictor, best, cut)

    def _begun(self, matrix: Floats) -> Floats | None:
        """The margins that growing begins with (n,), or (n, classes); None: none."""
        if self._start is None:
            return None
        margins = self._start.margins(matrix)
        return margins if self._task == "multiclass" else margins[:, 0]

    def _grown(self, booster: Any, rounds: int) -> LightGBM:
        """The start's trees and the first so many rounds."""
        if self._start is not None and not rounds:
            return self._start
        text = _trees(booster.model_to_string(num_iteration=rounds))
        if self._start is not None:
            text = _trees(joined(self._start.text, text))
        return LightGBM(text, LINKS[self._task])

    def _rounds(
        self,
        booster: Any,
        limit: int,
        patience: int,
        deadline: Callable[[int], float] | None,
        progress: Progress,
        timer: Callable[[], float],
    ) -> tuple[int, bool]:
        """Rounds to keep, and whether time ran out."""
        best, least, slowest = 0, np.inf, 0.0
        if self._start is not None and patience:
            least = booster.eval_valid()[0][2]
        for done in range(1, limit + 1):
            begun = timer()
            if deadline is not None and done > 1 and begun + slowest > deadline(done):
                return best or done - 1, True
            finished = booster.update()
            if patience:
                loss = booster.eval_valid()[0][2]
                first = best == 0 and self._start is None
                best, least = (done, loss) if loss < least or first else (best, least)
                if done - best >= patience:
                    return best, False
            if finished:
                return (best if patience and self._start is not None else best or done), False
            slowest = max(0.9 * slowest, timer() - begun)
            progress(done / limit, f"{done} rounds of trees")
        return (best if patience and self._start is not None else best or limit), False


def _trees(text: str) -> str:
    """The model's text without what is no part of it (importances, parameters): the same trees, the same bytes."""
    return text[: text.index("end of trees")] + "end of trees\n"
