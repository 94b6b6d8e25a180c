"""Models: examples, features, split, trainer, metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from rondo.errors import DeclarationError
from rondo.project.durations import seconds
from rondo.project.sources import names

TaskKind = Literal["binary", "multiclass", "regression"]
DEFAULT_METRIC: Mapping[TaskKind, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
RETRAIN = ("monthly", "weekly", "daily", "on alert", "never")
PROMOTE = ("first", "due", "never")
BUILT_IN_TRAINERS = ("auto", "lightgbm", "linear", "constant")
COOL_DOWN = "7d"


@dataclass(frozen=True)
class Cost:
    """What each kind of mistake costs, in one unit."""

    false_positive: float
    false_negative: float


@dataclass(frozen=True)
class Task:
    """What is predicted. `threshold` turns a binary score into a label: a number, "f1", or a cost."""

    kind: TaskKind
    label: str
    positive: object = None
    threshold: float | str | Cost = 0.5


@dataclass(frozen=True)
class Feature:
    """Columns of a table looked up for an example. Empty `columns`: every one but key, time and known."""

    table: str
    columns: tuple[str, ...] = ()
    on: tuple[tuple[str, str], ...] = ()  # (table's column, examples' column)
    as_: str | None = None

    @property
    def prefix(self) -> str:
        """The name its columns bear in the dataset, before the dot."""
        return self.as_ or self.table


@dataclass(frozen=True)
class Split:
    """How examples part into training, validation and test.

    `time` takes lengths in seconds, `random` and `group` shares from 0 to 1.
    """

    kind: Literal["time", "random", "group"]
    validation: float
    test: float
    seed: int = 0
    column: str | None = None


@dataclass(frozen=True)
class Trainer:
    """A built-in trainer by name, with parameters; `minutes` is the budget of `auto`."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()
    minutes: float | None = None
    seed: int = 0


@runtime_checkable
class OwnTrainer(Protocol):
    """A trainer of the project's own. What it fits has `predict(matrix)`; both ways of storing it are inert bytes.

    `fit(matrix, y, columns, seed)` gets a float64 matrix `(n, k)` in which categories are whole codes and missing
    values NaN, `y` `(n,)` (0/1, class indices, or values), and the columns' names. It answers an object whose
    `predict(matrix)` gives `(n,)` probabilities of the positive class or values, or `(n, classes)` probabilities.
    """

    def fit(self, matrix: Any, y: Any, columns: Sequence[str], seed: int) -> Any: ...

    def save(self, fitted: Any) -> Mapping[str, bytes]: ...

    def load(self, files: Mapping[str, bytes]) -> Any: ...


@dataclass(frozen=True)
class Model:
    """The declaration of a model; its name is the variable it stands in.

    `retrain` says when new data makes it due: once a month, week or day; when an alert says that the model has fallen
    behind (`on alert`), but never before its `cool_down` since the last training is over; or never.
    """

    examples: str
    task: Task
    features: tuple[Feature, ...] = ()
    split: Split = field(default_factory=lambda: random(validation=0.15, test=0.2))
    train: Trainer | OwnTrainer = field(default_factory=lambda: auto(minutes=1.0))
    metric: str = ""
    slices: tuple[str, ...] = ()
    retrain: str = "never"
    promote: str = "first"
    cool_down_s: int = 0  # under `retrain="on alert"` no alert brings another training so soon after one
    owner: str | None = None
    summary: str | None = None
    name: str = ""
    file: str = ""
    line: int | None = None

    def __init__(
        self,
        *,
        examples: str,
        task: Task,
        features: str | Feature | Iterable[str | Feature] = (),
        split: Split | None = None,
        train: Trainer | OwnTrainer | None = None,
        metric: str | None = None,
        slices: str | Sequence[str] = (),
        retrain: str = "never",
        promote: str = "first",
        cool_down: str = COOL_DOWN,
        owner: str | None = None,
        summary: str | None = None,
    ) -> None:
        _refuse_unnamed("examples", examples)
        if not isinstance(task, Task):
            raise DeclarationError(f"task is {task!r}.", next_step="Use rd.binary, rd.multiclass or rd.regression.")
        if split is not None and not isinstance(split, Split):
            raise DeclarationError(f"split is {split!r}.", next_step="Use rd.by_time, rd.random or rd.by_group.")
        if isinstance(train, type):
            raise DeclarationError(f"train is given {train.__name__}, a class.", next_step=f"Write {train.__name__}().")
        if train is not None and not isinstance(train, Trainer | OwnTrainer):
            raise DeclarationError(
                f"train is {train!r}, which has no fit, save and load.",
                next_step="Use rd.auto, rd.lightgbm, rd.linear, rd.constant, or an object with these three.",
            )
        for what, policy, allowed in (("retrain", retrain, RETRAIN), ("promote", promote, PROMOTE)):
            if policy not in allowed:
                raise DeclarationError(
                    f"{what} is {policy!r}; it may be: {', '.join(allowed)}.", next_step="Use one of these."
                )
        looked_up = merge_features([features] if isinstance(features, str | Feature) else features)
        values: dict[str, object] = {
            "examples": examples,
            "task": task,
            "features": looked_up,
            "split": split or random(validation=0.15, test=0.2),
            "train": train or auto(),
            "metric": metric or DEFAULT_METRIC[task.kind],
            "slices": names(slices, "slices"),
            "retrain": retrain,
            "promote": promote,
            "cool_down_s": seconds(cool_down, "cool_down"),
            "owner": owner,
            "summary": summary,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)


def with_examples(model: Model, examples: str) -> Model:
    """The same model, of other examples."""
    other = copy(model)
    object.__setattr__(other, "examples", examples)
    return other


def _refuse_unnamed(what: str, name: object) -> None:
    if not isinstance(name, str) or not name:
        raise DeclarationError(f"{what} is {name!r}, not a name.", next_step=f"Write the name of the {what}.")


def merge_features(features: Iterable[str | Feature]) -> tuple[Feature, ...]:
    """Features as declared, one a prefix: `["planes.seats", "planes.year"]` is one look-up of two columns."""
    merged: dict[str, Feature] = {}
    for written in features:
        new = written if isinstance(written, Feature) else feature(written)
        old = merged.get(new.prefix)
        if old is None:
            merged[new.prefix] = new
        elif (old.table, old.on) != (new.table, new.on):
            raise DeclarationError(
                f"Two features would both be called {new.prefix!r}.",
                next_step="Give one of them another name with as_=….",
            )
        else:
            columns = () if not (old.columns and new.columns) else tuple(dict.fromkeys(old.columns + new.columns))
            merged[new.prefix] = Feature(old.table, columns, old.on, old.as_)
    return tuple(merged.values())


def feature(
    name: str, *, on: Mapping[str, str] | None = None, as_: str | None = None, columns: Sequence[str] = ()
) -> Feature:
    """A look-up: `table` or `table.column`; `on` maps the table's key columns to columns of the examples."""
    table, dot, column = name.partition(".") if isinstance(name, str) else ("", "", "")
    if not table or (dot and not column):
        raise DeclarationError(f"A feature is {name!r}.", next_step='Write "table" or "table.column".')
    if column and columns:
        raise DeclarationError(
            f"A feature is {name!r} and columns={list(columns)!r}.",
            next_step=f'Write rd.feature("{table}", columns=[…]).',
        )
    return Feature(table, (column,) if column else names(columns, "columns"), tuple((on or {}).items()), as_)


def binary(label: str, *, positive: object = None, threshold: float | str | Cost = 0.5) -> Task:
    """One of two values; `positive` is the one a score is the probability of (the greater one when left out)."""
    _refuse_unnamed("label", label)
    is_share = isinstance(threshold, int | float) and not isinstance(threshold, bool) and 0 <= threshold <= 1
    if not is_share and threshold != "f1" and not isinstance(threshold, Cost):
        raise DeclarationError(
            f"threshold is {threshold!r}.", next_step='Use a number from 0 to 1, "f1", or rd.cost(…).'
        )
    return Task("binary", label, positive, threshold)


def multiclass(label: str) -> Task:
    """One of several values."""
    _refuse_unnamed("label", label)
    return Task("multiclass", label)


def regression(label: str) -> Task:
    """A number."""
    _refuse_unnamed("label", label)
    return Task("regression", label)


def cost(*, false_positive: float, false_negative: float) -> Cost:
    """What each kind of mistake costs: the threshold that costs least on validation, and the metric `cost`."""
    if not (false_positive >= 0 and false_negative >= 0 and 0 < false_positive + false_negative < math.inf):
        raise DeclarationError(
            f"cost is {false_positive!r} for a false positive and {false_negative!r} for a false negative.",
            next_step="Give two numbers, neither below 0 and not both 0.",
        )
    return Cost(float(false_positive), float(false_negative))


def by_time(*, validation: str, test: str) -> Split:
    """The newest stretch is the test, the one before it validation; lengths such as 7d."""
    for what, length in (("validation", validation), ("test", test)):
        if seconds(length, what) == 0:
            raise DeclarationError(f"{what} is {length!r}, which holds no rows.", next_step="Write e.g. 7d.")
    return Split("time", seconds(validation, "validation"), seconds(test, "test"))


def random(*, validation: float = 0.15, test: float = 0.2, seed: int = 0) -> Split:
    """Shares from 0 to 1 drawn at random, of exact size."""
    return Split("random", *_shares(validation, test), seed=seed)


def by_group(column: str, *, validation: float = 0.15, test: float = 0.2, seed: int = 0) -> Split:
    """Like `random`, but all rows of one value of `column` stay together."""
    _refuse_unnamed("column", column)
    return Split("group", *_shares(validation, test), seed=seed, column=column)


def _shares(validation: float, test: float) -> tuple[float, float]:
    are_numbers = isinstance(validation, int | float) and isinstance(test, int | float)
    if not (are_numbers and 0 < validation < 1 and 0 < test < 1 and validation + test < 1):
        raise DeclarationError(
            f"validation {validation} and test {test} are not shares that leave rows to train on.",
            next_step="Use two numbers between 0 and 1 whose sum is below 1.",
        )
    return validation, test


def auto(*, minutes: float = 1.0, seed: int = 0) -> Trainer:
    """Search over LightGBM and linear models for `minutes`, latency measured, then refit."""
    if not isinstance(minutes, int | float) or not minutes > 0:
        raise DeclarationError(f"auto has {minutes!r} minutes.", next_step="Give it more than 0.")
    return Trainer("auto", minutes=float(minutes), seed=seed)


def lightgbm(*, seed: int = 0, **parameters: object) -> Trainer:
    """Gradient-boosted trees with LightGBM's parameters."""
    return Trainer("lightgbm", tuple(sorted(parameters.items())), seed=seed)


def linear(*, seed: int = 0, **parameters: object) -> Trainer:
    """A regularised linear or logistic model; `c` is the inverse strength."""
    return Trainer("linear", tuple(sorted(parameters.items())), seed=seed)


def constant() -> Trainer:
    """The mean, or the shares of the classes: what any model must beat."""
    return Trainer("constant")
