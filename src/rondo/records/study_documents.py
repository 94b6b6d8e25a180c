"""The public JSON documents of studies: mistakes, attribution, ranking. Fields may be added, none may go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from rondo.records.documents import Document, figure_document, figures_document, moment_text
from rondo.records.studies import Attribution, Condition, Mistake, Mistakes, MistakeSlice, Ranked, Ranking
from rondo.records.versions import model_version


def condition_text(condition: Condition) -> str:
    """A condition as SQL over a dataset's columns: `"hour" >= 17 and "hour" < 20`."""
    column = '"' + condition.column.replace('"', '""') + '"'
    if condition.missing:
        return f"{column} is null"
    bounds = [
        f"{column} {sign} {bound:.12g}"
        for sign, bound in ((">=", condition.low), ("<", condition.high))
        if bound is not None
    ]
    if bounds:
        return " and ".join(bounds)
    value = condition.is_
    if isinstance(value, bool):
        return column if value else f"not {column}"
    return f"{column} = " + ("'" + value.replace("'", "''") + "'" if isinstance(value, str) else f"{value}")


def mistakes_document(found: Mistakes) -> Document:
    """The worst mistakes of a version, and where they gather."""
    return {
        "version": model_version(found.name, found.version),
        "testset": found.testset,
        "rows": found.rows,
        "wrong": found.mistakes,
        "loss": {"name": found.loss, "mean": found.mean_loss},
        "mistakes": [_mistake(each) for each in found.worst],
        "slices": [_slice(each) for each in found.slices],
        "looked": found.looked,
        "confirmed_on": found.confirmed_on,
        "days": found.days,
    }


def _mistake(mistake: Mistake) -> Document:
    document: Document = msgspec.to_builtins(mistake, builtin_types=(datetime,))
    return {**document, "moment": None if mistake.moment is None else moment_text(mistake.moment.astimezone(UTC))}


def _slice(part: MistakeSlice) -> Document:
    document: Document = msgspec.to_builtins(part)
    conditions = [_condition(each) for each in part.conditions]
    by = " & ".join(each.column for each in part.conditions)
    shown = " & ".join(condition_value(each) for each in part.conditions)
    where = " and ".join(condition_text(each) for each in part.conditions)
    return {"by": by, "is": shown, "where": where, **document, "conditions": conditions}


def condition_value(condition: Condition) -> str:
    """What a condition asks of its column, without words: `EWR`, `17…20`, `null`."""
    if condition.missing:
        return "null"
    if condition.low is None and condition.high is None:
        return str(condition.is_).lower() if isinstance(condition.is_, bool) else str(condition.is_)
    low, high = ("" if bound is None else f"{bound:.6g}" for bound in (condition.low, condition.high))
    return f"{low}…{high}"


def _condition(condition: Condition) -> Document:
    if condition.missing:
        return {"column": condition.column, "missing": True}
    if condition.low is None and condition.high is None:
        return {"column": condition.column, "is": condition.is_}
    return {"column": condition.column, "from": condition.low, "below": condition.high}


def attribution_document(found: Attribution) -> Document:
    """What moves the answers of a version over many rows."""
    return {
        "version": model_version(found.name, found.version),
        "on": {
            "kind": found.kind,
            "name": found.of,
            "from": None if found.start is None else moment_text(found.start),
            "to": None if found.end is None else moment_text(found.end),
        },
        "rows": found.rows,
        "of_rows": found.of_rows,
        "days": found.days,
        "base": found.base,
        "prediction": found.prediction,
        "features": [
            {
                "feature": each.feature,
                **figure_document(each.weight),
                "share": each.share,
                "direction": each.direction,
                "effects": [
                    {**_condition(effect.condition), "rows": effect.rows, "contribution": effect.contribution}
                    for effect in each.effects
                ],
            }
            for each in found.features
        ],
        "slices": [
            {"by": part.by, "is": part.is_, "rows": part.rows, "features": figures_document(part.weights)}
            for part in found.slices
        ],
    }


def rankings_document(model: str, rankings: Sequence[Ranking]) -> Document:
    """All versions of a model by test sets."""
    return {
        "model": model,
        "metric": rankings[0].metric if rankings else None,
        "left_out": rankings[0].left_out if rankings else 0,
        "testsets": [
            {
                "testset": ranking.testset,
                "comparable": ranking.testset != "test",
                "rows": None if ranking.testset == "test" else ranking.rows,
                "days": ranking.days,
                "best": None if ranking.best is None else model_version(model, ranking.best),
                "versions": [_ranked(model, each) for each in ranking.versions],
            }
            for ranking in rankings
        ],
    }


def _ranked(model: str, each: Ranked) -> Document:
    return {
        "version": model_version(model, each.version),
        "metrics": figures_document(each.metrics),
        "seen": each.seen,
        "best": each.best,
        "behind": None if each.behind is None else figure_document(each.behind),
        "among_best": each.among_best,
    }
