"""The simplest and the strangest trainers: a constant, and one of the project's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from inspect import Parameter, signature

import numpy as np

from rondo.errors import BuildError, Refused
from rondo.models.linear import Constant
from rondo.models.predictors import Own, Predictor, own_from
from rondo.project.models import OwnTrainer, TaskKind
from rondo.stats.results import Floats


def fit_constant(y: Floats, task: TaskKind, classes: int, columns: int) -> Constant:
    """The mean of `y`, or the shares of the classes, one row added to each so that none is impossible."""
    if task != "multiclass":
        return Constant(columns, (float(y.mean()),))
    counts = np.bincount(y.astype(np.int64), minlength=classes) + 1.0
    return Constant(columns, tuple(np.log(counts / counts.sum()).tolist()), "softmax")


def takes_start(trainer: OwnTrainer) -> bool:
    """Whether a trainer's fit takes `start=`."""
    taken = signature(trainer.fit).parameters
    return "start" in taken or any(each.kind is Parameter.VAR_KEYWORD for each in taken.values())


def fit_own(
    trainer: OwnTrainer,
    matrix: Floats,
    y: Floats,
    columns: Sequence[str],
    task: TaskKind,
    classes: int,
    seed: int,
    start: Predictor | None = None,
) -> Own:
    """A project's own trainer: fitted, saved, and read back, so that what is packed is what was judged.

    With a `start` its fit is given, as `start=`, what it had fitted then. Raises Refused where it takes none.

    Raises BuildError where it fails or answers in another shape than promised.
    """
    fit: Callable[..., object] = trainer.fit
    if isinstance(start, Own):
        if not takes_start(trainer):
            raise Refused(
                "The project's own trainer cannot go on from an earlier version: its fit takes no start.",
                next_step="Write fit(self, matrix, y, columns, seed, start=None): start is what load gave.",
            )
        fit = partial(fit, start=start.fitted)
    try:
        files = dict(trainer.save(fit(matrix, y, list(columns), seed)))
    except Exception as error:
        raise BuildError(
            f"The project's own trainer failed: {type(error).__name__}: {error}.",
            next_step="Mend its fit or save: see how rondo.project.models.OwnTrainer is called.",
        ) from error
    if not files or not all(isinstance(k, str) and isinstance(v, bytes) for k, v in files.items()):
        raise BuildError(
            "The trainer's own save did not give files: a mapping of names to bytes.",
            next_step='Answer for example {"weights.json": b"…"}.',
        )
    predictor = own_from(trainer, files)
    shown = predictor.predict(matrix[:100])
    wanted = (len(matrix[:100]), classes) if task == "multiclass" else (len(matrix[:100]),)
    if shown.shape != wanted or (task != "regression" and not ((shown >= 0) & (shown <= 1)).all()):
        what = "one number a row" if task == "regression" else "probabilities from 0 to 1"
        raise BuildError(
            f"The trainer's own predict gave the shape {shown.shape} for {wanted}, or numbers that are not {what}.",
            next_step=f"Answer {what}, in the shape {wanted}.",
        )
    return predictor
