"""A model tried by hand: its fields as a form asks for them, and the answer to what was filled in.

A try is a question about the model, not an answer that anybody acts on: it goes through the same `answer` as any
request and is neither logged nor measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from rondo.deploy.answering import Answer, Answerer
from rondo.deploy.describing import example_row
from rondo.deploy.resolving import resolve
from rondo.deploy.traffic import Traffic
from rondo.errors import RowError
from rondo.features.signature import Column, Signature, kind_of
from rondo.handbook.inputs import trained_values
from rondo.handbook.predictions import RECENT, newest_logged, personal_columns
from rondo.loop.workplace import Workplace
from rondo.records.development import Evaluation, Explanation, ScoreBin
from rondo.records.tables import Profile, Scalar

Kind = Literal["whole", "number", "boolean", "text", "moment", "day"]
MOST_CHOICES = 400
"""A column of text with more values than this among the training rows is typed in, not chosen."""
WHOLE = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)


@dataclass(frozen=True)
class Field:
    """A field of the form. `choices` are the values that the model was trained on, `low` and `high` their bounds
    (numbers); `looks_up` names the tables that are read by it. `given` is what was filled in, else the example.
    """

    name: str
    kind: Kind
    given: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    looks_up: tuple[str, ...] = ()
    moment: bool = False
    personal: bool = False
    wrong: str | None = None


@dataclass(frozen=True)
class Tried:
    """The answer to a try, with what moved it, the weightiest feature first; `alike` is what came true of the version's
    own test rows with nearly the same score.
    """

    version: str
    moment: datetime
    label: Scalar
    prediction: float
    base: float
    parts: tuple[tuple[str, Scalar, float], ...]
    residual: float
    missing: tuple[str, ...]
    score: float | None = None
    value: float | None = None
    scores: Mapping[str, float] | None = None
    flagged: bool | None = None
    alike: ScoreBin | None = None


@dataclass(frozen=True)
class TryFacts:
    """The form of a model, and what came of it where it was filled in; `wrong` says what no field bears."""

    model: str
    version: str
    now: datetime
    timezone: str
    task: str
    label_name: str
    positive: Scalar
    threshold: float | None
    fields: tuple[Field, ...]
    row: Mapping[str, Scalar] = field(default_factory=dict)
    tried: Tried | None = None
    wrong: str | None = None
    summary: str | None = None


def try_facts(
    work: Workplace, model: str, query: Mapping[str, str], *, filled: Mapping[str, object] | None = None
) -> TryFacts:
    """The form of a model: filled in with a real example, or with `query`, which is answered then.

    `version` in the query names another than that in production. `filled` stands in the form in place of the example.
    Raises NotFound where there is none.
    """
    declared = work.project.model(model)
    wanted = query.get("version", "").strip()
    named = f"{model}@{wanted}" if wanted else model
    name, number = resolve(work.store.ledger, named, timezone=work.project.settings.timezone)
    answerer = Traffic(work.project, work.store).answerer(name, number)
    signature = answerer.signature
    asked = {key: text for key, text in query.items() if key in _names(signature)}
    zone = ZoneInfo(work.project.settings.timezone)
    shown = None if filled is None else {name: _written(value, zone) for name, value in filled.items()}
    given = asked or (_example(work, answerer) if shown is None else shown)
    fields = _fields(work, model, answerer, given)
    row = {each.name: value for each in fields if (value := _value(each, given.get(each.name, ""))) is not None}
    tried, wrong = None, None
    if asked:
        try:
            [answer] = answerer.answer([row], now=work.now())
            tried = tried_of(work, answerer, answer, answerer.explain([answer])[0])
        except RowError as error:
            fields, wrong = _marked(fields, error)
    return TryFacts(
        model=model,
        version=answerer.name,
        now=work.now(),
        timezone=work.project.settings.timezone,
        task=signature.task,
        label_name=signature.label.name,
        positive=signature.classes[-1] if signature.task == "binary" else None,
        threshold=answerer.packed.threshold,
        fields=fields,
        row=row,
        tried=tried,
        wrong=wrong,
        summary=declared.summary,
    )


def _names(signature: Signature) -> list[str]:
    """The fields that move an answer: inputs, look-up keys, and the moment."""
    wanted = {column.name for column in signature.inputs} | {on for each in signature.lookups for _, on in each.on}
    names = [column.name for column in signature.request if column.name in wanted]
    return [*names, *([signature.time] if signature.time else [])]


def _fields(work: Workplace, model: str, answerer: Answerer, given: Mapping[str, str]) -> tuple[Field, ...]:
    signature = answerer.signature
    columns = {column.name: column for column in signature.request}
    if signature.time:
        columns[signature.time] = Column(name=signature.time, type="TIMESTAMP WITH TIME ZONE")
    personal = personal_columns(work, model)
    trained = trained_values(work, model, answerer.version)
    found = []
    for name in _names(signature):
        choices, low, high = trained.get(name) or (_keys_known(work, signature, name), None, None)
        found.append(
            Field(
                name=name,
                kind=_kind(columns[name]),
                given=given.get(name, ""),
                choices=choices if len(choices) <= MOST_CHOICES else (),
                low=low,
                high=high,
                looks_up=tuple(each.table for each in signature.lookups if name in dict(each.on).values()),
                moment=name == signature.time,
                personal=name in personal,
            )
        )
    return tuple(found)


def _keys_known(work: Workplace, signature: Signature, name: str) -> tuple[str, ...]:
    """All values of a look-up key that a table has, where its profile names every one."""
    for lookup in signature.lookups:
        column = next((of for of, asked in lookup.on if asked == name), None)
        profile = work.store.ledger.latest(Profile, name=lookup.table) if column else None
        found = next((each for each in profile.record.columns if each.name == column), None) if profile else None
        if found is not None and found.top and found.distinct == len(found.top):
            return tuple(sorted(str(each.value) for each in found.top))
    return ()


def _kind(column: Column) -> Kind:
    kind = kind_of(column.type)
    if kind == "number":
        return "whole" if column.type.upper() in WHOLE else "number"
    if kind == "moment":
        return "day" if column.type.upper() == "DATE" else "moment"
    return "boolean" if kind == "boolean" else "text"


def _example(work: Workplace, answerer: Answerer) -> dict[str, str]:
    """The newest request that was answered, or a row of the test split; personal values are left to be filled in."""
    signature, zone = answerer.signature, ZoneInfo(work.project.settings.timezone)
    personal = personal_columns(work, signature.model)
    names = _names(signature)
    newest = next(iter(newest_logged(work, signature.model, RECENT)), None)
    if newest is not None:
        row: Mapping[str, object] = {**newest.request, **({signature.time: newest.moment} if signature.time else {})}
    else:
        row = example_row(work.store, answerer)
    return {name: "" if name in personal else _written(row.get(name), zone) for name in names}


def _written(value: object, zone: ZoneInfo) -> str:
    """A value as a form's field holds it; a moment in the project's timezone, to the minute."""
    if value is None:
        return ""
    if isinstance(value, str) and len(value) > 10 and value[4:5] == "-" and value[10:11] == "T":
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return str(value)
    if isinstance(value, datetime):
        return value.astimezone(zone).replace(tzinfo=None).isoformat(timespec="minutes")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(asked: Field, text: str) -> Scalar:
    """What a field's text means; text that is no number stays text, so that the reader says what is wrong."""
    text = text.strip()
    if not text:
        return None
    if asked.kind == "boolean":
        return {"true": True, "false": False}.get(text.casefold(), text)
    if asked.kind in ("whole", "number"):
        try:
            number = float(text.replace(",", ""))
        except ValueError:
            return text
        if not math.isfinite(number):
            return text
        return int(number) if asked.kind == "whole" and number.is_integer() else number
    return text


def _marked(fields: tuple[Field, ...], error: RowError) -> tuple[tuple[Field, ...], str | None]:
    """The fields with what is wrong with each, and what is wrong with none of them."""
    reasons = {(path or "").rpartition(".")[2]: reason for path, reason in error.errors}
    marked = tuple(replace(each, wrong=reasons.get(each.name)) for each in fields)
    rest = [f"{name}: {reason}" for name, reason in reasons.items() if name not in {each.name for each in fields}]
    return marked, "; ".join(rest) or None


def tried_of(work: Workplace, answerer: Answerer, answer: Answer, why: Explanation) -> Tried:
    """An answer with what moved it, and with what came true of test rows that scored alike."""
    signature = answerer.signature
    parts = [(part.feature, part.value, part.contribution) for part in why.contributions]
    evaluation = work.store.ledger.latest(
        Evaluation, name=signature.model, version=answerer.version, where={"testset": "test"}
    )
    curves = evaluation.record.curves if evaluation else None
    bins = curves.calibration if curves else []
    place = answer.score if answer.score is not None else answer.value
    near = min(bins, key=lambda each: abs(each.predicted - place)) if bins and place is not None else None
    return Tried(
        version=answerer.name,
        moment=answer.moment,
        label=answer.label,
        prediction=why.prediction,
        base=why.base,
        parts=tuple(sorted(parts, key=lambda part: -abs(part[2]))),
        residual=why.residual,
        missing=tuple(c.name for c, value in zip(signature.fed, answer.fed, strict=True) if value is None),
        score=answer.score,
        value=answer.value,
        scores=answer.scores,
        flagged=answer.label == signature.classes[-1] if signature.task == "binary" else None,
        alike=near,
    )
