"""Fitness: are these examples fit for learning, which kind of model suits them, what is wrong with them.

Quick by design: columns are looked at whole, models are tried on samples, a few seconds at any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from rondo.develop.boosting import Boosting, resolve
from rondo.develop.reading import PARTS, Part, Rows, labelled, rows_of, with_classes
from rondo.develop.regressing import fit_linear
from rondo.develop.suspects import leaks, nearest_neighbour, repeated
from rondo.errors import RondoError
from rondo.features.signature import Signature
from rondo.models.encoding import Encoder, encode_table, fit_encoder
from rondo.project.models import Task
from rondo.records.development import Finding, Fitness
from rondo.records.progress import Progress, silent
from rondo.records.tables import Dataset
from rondo.stats.distances import population_stability_index
from rondo.stats.intervals import paired
from rondo.stats.metrics import Metric, metric_named
from rondo.stats.results import Difference, Floats
from rondo.store.opening import Store

if TYPE_CHECKING:
    import pyarrow as pa

LEARN_ROWS, JUDGE_ROWS, LOOK_ROWS = 20_000, 5_000, 20_000
ROUNDS = 80
FEW_ROWS, FEW_OF_CLASS = 100, 20
MOSTLY_MISSING, MOSTLY_TWINS = 0.5, 0.5
DRIFT = 0.2
"""A population stability index above this is commonly called a shift (Siddiqi, 2006)."""
NAMED = 5
_METRIC = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}


def fitness(
    parts: Mapping[Part, pa.Table],
    signature: Signature,
    task: Task,
    *,
    dataset: int,
    seed: int = 0,
    progress: Progress = silent,
) -> Fitness:
    """What can be said of examples before any model is trained; `parts` are the labelled rows of each split.

    The verdict is unfit when something stops learning, doubtful when something is suspicious, else fit. Never raises
    for what is wrong with the rows: that is a finding. `scores` are of `roc_auc`, `accuracy` or `r2` on validation.
    """
    import pyarrow as pa

    findings: list[Finding] = []
    scores: dict[str, float] = {}
    suits = "constant: nothing could be tried"
    try:
        chunks = [chunk for part in PARTS for chunk in parts[part].column("label").chunks]
        labels = pa.chunked_array(chunks, parts["train"].column("label").type)
        signature = with_classes(signature, task, labels)
        encoder = fit_encoder(parts["train"], signature.fed)
        findings += [*_sizes(parts), *_columns(parts["train"], encoder)]
        if all(parts[part].num_rows for part in ("train", "validation")):
            look = _Look.at(parts, signature, encoder, task, seed)
            progress(0.2, "looking for leaks and doubles")
            findings += [*_classes(look), *leaks(look.train, encoder, signature), *_doubles(look)]
            progress(0.5, "comparing the splits")
            findings += list(_drift(parts, encoder, seed))
            progress(0.7, "trying quick models")
            suits, tried, scores = _try(look)
            findings += tried
    except RondoError as error:
        findings.append(Finding(what=error.message, weight="stop"))
    weights = {finding.weight for finding in findings}
    verdict = "unfit" if "stop" in weights else "doubtful" if "warn" in weights else "fit"
    order = ("stop", "warn", "note")
    return Fitness(
        name=signature.model,
        dataset=dataset,
        verdict=verdict,  # type: ignore[arg-type]  # one of the three
        suits=suits,
        findings=sorted(findings, key=lambda finding: order.index(finding.weight)),
        scores=scores,
    )


def fitness_of(
    dataset: Dataset,
    *,
    store: Store,
    signature: Signature,
    task: Task,
    now: datetime,
    by: str,
    seed: int = 0,
    progress: Progress = silent,
) -> Fitness:
    """The fitness of a frozen dataset, kept in the ledger."""
    names = [column.name for column in signature.fed]
    columns = list(dict.fromkeys([*names, "label", *(["moment"] if signature.time else [])]))
    parts = {part: labelled(dataset, store, part, columns) for part in PARTS}
    found = fitness(parts, signature, task, dataset=dataset.version, seed=seed, progress=progress)
    store.ledger.append(found, by=by, at=now)
    return found


@dataclass(frozen=True)
class _Look:
    """Samples of training and validation rows, made ready."""

    train: Rows
    validation: Rows
    encoder: Encoder
    signature: Signature
    task: Task
    seed: int

    @classmethod
    def at(cls, parts: Mapping[Part, pa.Table], signature: Signature, encoder: Encoder, task: Task, seed: int) -> _Look:
        rng = np.random.default_rng(seed)
        train = rows_of(_sample(parts["train"], LEARN_ROWS, rng), signature, encoder)
        validation = rows_of(_sample(parts["validation"], JUDGE_ROWS, rng), signature, encoder)
        return cls(train, validation, encoder, signature, task, seed)


def _sample(table: pa.Table, most: int, rng: np.random.Generator) -> pa.Table:
    if table.num_rows <= most:
        return table
    return table.take(np.sort(rng.choice(table.num_rows, most, replace=False)))


def _sizes(parts: Mapping[Part, pa.Table]) -> Iterator[Finding]:
    for part in PARTS:
        rows = parts[part].num_rows
        if not rows:
            yield Finding(what=f"The {part} split has no labelled rows.", weight="stop")
        elif rows < FEW_ROWS:
            yield Finding(what=f"The {part} split has only {rows} rows: intervals will be wide.", weight="warn")


def _classes(look: _Look) -> Iterator[Finding]:
    if look.signature.task == "regression":
        if (look.train.y == look.train.y[0]).all():
            yield Finding(what="The label is the same in all training rows looked at.", weight="stop")
        return
    counts = np.bincount(look.train.y.astype(np.int64), minlength=len(look.signature.classes))
    shares = ", ".join(f"{c!r} {n / counts.sum():.1%}" for c, n in zip(look.signature.classes, counts, strict=True))
    yield Finding(what=f"Classes among {counts.sum():,} training rows: {shares}.", weight="note")
    for value, count in zip(look.signature.classes, counts, strict=True):
        if count < FEW_OF_CLASS:
            what = f"{value!r} is the label of only {count} of {counts.sum():,} training rows."
            yield Finding(what=what, weight="warn" if count else "stop", column="label")


def _columns(train: pa.Table, encoder: Encoder) -> Iterator[Finding]:
    import pyarrow.compute as pc

    n = train.num_rows
    for coding in encoder.columns if n else ():
        column = train.column(coding.name)
        gone = column.null_count
        distinct = pc.count_distinct(column, mode="only_valid").as_py()
        if gone == n:
            yield Finding(what=f"{coding.name} is null in every training row.", weight="warn", column=coding.name)
        elif distinct == 1 and not gone:
            yield Finding(what=f"{coding.name} never changes.", weight="note", column=coding.name)
        elif gone > MOSTLY_MISSING * n:
            yield Finding(
                what=f"{coding.name} is null in {gone / n:.0%} of the rows.", weight="note", column=coding.name
            )
        if coding.skipped:
            yield Finding(what=f"{coding.name} is not fed: {coding.skipped}.", weight="note", column=coding.name)


def _doubles(look: _Look) -> Iterator[Finding]:
    found = repeated(look.train, look.validation)
    if found.contradicting:
        what = f"{found.contradicting:.1%} of the training rows have a twin of equal features and another label."
        yield Finding(what=what, weight="warn" if found.contradicting > MOSTLY_TWINS else "note")
    elif found.doubled > 0.01:
        yield Finding(what=f"{found.doubled:.1%} of the training rows repeat another, label and all.", weight="note")
    # Where few values make up a row, twins are many and disagree; rows that came twice agree.
    if found.shared > 0.05 and found.contradicting < 0.1 * found.doubled:
        what = f"{found.shared:.1%} of the validation rows stand in training too: their score flatters."
        yield Finding(what=what, weight="warn")


def _drift(parts: Mapping[Part, pa.Table], encoder: Encoder, seed: int) -> Iterator[Finding]:
    """Columns that moved from training to test beyond doubt, the most first."""
    if not parts["test"].num_rows:
        return
    rng = np.random.default_rng(seed)
    before, after = (encode_table(encoder, _sample(parts[part], LOOK_ROWS, rng)) for part in ("train", "test"))
    moved = []
    for place, coding in enumerate(encoder.columns):
        if coding.skipped:
            continue
        sides = [
            side[:, place].astype(str) if coding.kind == "category" else side[:, place] for side in (before, after)
        ]
        index = population_stability_index(sides[0], sides[1], draws=200, seed=seed)
        if index.value is not None and index.low is not None and index.low > DRIFT:
            moved.append((index.value, index.low, coding.name))
    for value, low, name in sorted(moved, reverse=True)[:NAMED]:
        what = f"{name} moved between training and test: stability index {value:.2f}, at least {low:.2f}."
        yield Finding(what=what, weight="warn" if low > 1 else "note", column=name)


def _try(look: _Look) -> tuple[str, list[Finding], dict[str, float]]:
    """Which kind of model suits, what the quick ones found, and their scores."""
    task, classes = look.signature.task, len(look.signature.classes)
    metric = metric_named(_METRIC[task], task)
    y, matrix = look.validation.y, look.validation.matrix
    if task != "regression" and len(np.unique(look.train.y)) < 2:
        return "constant: there is one class to learn from", [], {}
    if task == "binary" and len(np.unique(y)) < 2:
        finding = Finding(what="The validation split has one class only: nothing can be judged on it.", weight="stop")
        return "constant: nothing can be judged", [finding], {}
    boosting = Boosting((look.train.matrix, look.train.y), None, look.encoder.categories, task, classes, look.seed)
    parameters = {**resolve({"num_iterations": ROUNDS, "learning_rate": 0.1}, task, len(look.train))}
    linear = fit_linear(look.train.matrix, look.train.y, look.encoder, task, classes, {}, look.seed)
    said: dict[str, Floats] = {
        "constant": _constant(look.train.y, len(y), task, classes),
        "nearest_neighbour": nearest_neighbour(
            look.train, look.validation, look.encoder, classes if task == "multiclass" else 0
        ),
        "linear": linear.predict(matrix),
        "boosted": boosting.grow(parameters).predictor.predict(matrix),
    }

    def difference(a: str, b: str) -> Difference:
        sides = [(said[name], _labels(said[name], task)) for name in (a, b)]
        days = look.validation.days
        return paired([metric], y, sides[0], sides[1], blocks=days, draws=300, seed=look.seed)[metric.name]

    scores = {name: metric.compute(y, s, _labels(s, task)) for name, s in said.items()}
    findings = list(_said(difference, scores, metric))
    return (
        _suits(difference, metric),
        findings,
        {f"{metric.name} {k}": float(v) for k, v in scores.items() if np.isfinite(v)},
    )


def _labels(scores: Floats, task: str) -> Floats | None:
    return scores.argmax(axis=1).astype(np.float64) if task == "multiclass" else None


def _constant(y: Floats, rows: int, task: str, classes: int) -> Floats:
    if task == "multiclass":
        return np.tile(np.bincount(y.astype(np.int64), minlength=classes) / len(y), (rows, 1))
    return np.full(rows, y.mean())


def _said(
    difference: Callable[[str, str], Difference], scores: Mapping[str, float], metric: Metric
) -> Iterator[Finding]:
    best = max(("linear", "boosted"), key=lambda name: scores[name] if np.isfinite(scores[name]) else -np.inf)
    found = difference(best, "constant")
    if found.difference is None or found.low is None:
        yield Finding(what=f"Too few validation rows to tell whether {metric.name} beats a constant.", weight="warn")
    elif found.low <= 0:
        what = (
            f"No quick model beats a constant beyond doubt: the best differs by {found.difference:+.3f} in "
            f"{metric.name} [{found.low:+.3f}, {found.high:+.3f}]."
        )
        yield Finding(what=what, weight="warn")
    else:
        what = f"A quick {best} model beats a constant by {found.difference:.3f} in {metric.name} "
        yield Finding(what=what + f"[{found.low:.3f}, {found.high:.3f}].", weight="note")
    if scores[best] > 0.995:
        reached = f"A quick {best} model reaches {metric.name} {scores[best]:.4f}"
        what = f"{reached}: too good to be true, unless the label follows from the columns."
        yield Finding(what=what, weight="warn")


def _suits(difference: Callable[[str, str], Difference], metric: Metric) -> str:
    over_linear = difference("boosted", "linear")
    beats = {name: difference(name, "constant") for name in ("boosted", "linear")}
    if not any((found.low or 0.0) > 0 for found in beats.values()):
        return "constant: no quick model does better beyond doubt"
    if over_linear.difference is None or over_linear.low is None or over_linear.high is None:
        return "linear: too few rows to tell it from trees"
    told = f"{over_linear.difference:+.3f} in {metric.name} [{over_linear.low:+.3f}, {over_linear.high:+.3f}]"
    if over_linear.low > 0:
        return f"trees: they differ from a linear model by {told}"
    return f"linear: trees do no better beyond doubt, {told}"
