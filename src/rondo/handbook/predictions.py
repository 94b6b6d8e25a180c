"""Predictions as people ask about them: the newest, those about a key, and one with everything behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rondo.data.labels import column_of as outcome_column
from rondo.data.labels import path_of as outcomes_path
from rondo.deploy.answering import shown
from rondo.deploy.logged import Logged, answer_of
from rondo.deploy.predictions import path_of, stream_of
from rondo.deploy.recent import answers_about, newest_answers
from rondo.deploy.rollout import roles
from rondo.errors import NotFound, RondoError, WrongUse
from rondo.features.signature import Signature
from rondo.graph.upstream import upstream
from rondo.handbook.kept import Kept, keep
from rondo.handbook.owners import Owner, owner_named
from rondo.handbook.rows import RowBehind, rows_behind
from rondo.loop.answering import explain_logged, prediction_by_id
from rondo.loop.versions import packed_version, signature_of
from rondo.loop.workplace import Workplace
from rondo.models.encoding import encode_values
from rondo.project.moments import parse_moment
from rondo.records.development import Version
from rondo.records.tables import Scalar, TableVersion
from rondo.records.versions import model_version
from rondo.store.spans import may_hold
from rondo.store.until import LedgerUntil

RECENT, MOST = 20, 50
_NEWEST: Kept[list[Logged]] = Kept(16)
_SOURCES: Kept[tuple[str, ...]] = Kept(4096)
MASKED = "•••"
"""Stands for a value of a column that holds personal data."""


Value = Scalar | datetime


@dataclass(frozen=True)
class Answered:
    """A prediction in a list. `key` is what was asked about; `flagged` (binary) says whether it was called positive.

    `right` is None while the outcome is not known, and for values that are not classes.
    """

    id: str
    version: str
    role: str | None
    at: datetime
    moment: datetime
    key: Mapping[str, Value]
    score: float | None = None
    value: float | None = None
    scores: Mapping[str, float] | None = None
    label: Scalar = None
    flagged: bool | None = None
    missing: int = 0
    latency_ms: float | None = None
    caller: str | None = None
    outcome: Scalar = None
    outcome_known: datetime | None = None
    right: bool | None = None


@dataclass(frozen=True)
class Found:
    """The answers that were asked for, `MOST` at most; `more` says that there are more."""

    answers: tuple[Answered, ...]
    more: bool = False


@dataclass(frozen=True)
class Part:
    """A feature of one prediction: its value, what it added to the answer, and the row that it came from.

    `table` and `column` are where it was looked up; without, it came with the request, or was computed from it
    (`expression`). `sources` are the upstream columns in which it begins.
    """

    feature: str
    value: Value
    contribution: float
    table: str | None = None
    column: str | None = None
    expression: str | None = None
    row: RowBehind | None = None
    owner: Owner | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Otherwise:
    """What another version gives for the same values."""

    version: str
    score: float | None
    label: Scalar
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class PredictionFacts:
    """One prediction, with why it came out so, and where each value came from; the weightiest part first.

    `label_name` and `positive` say what a label means, `threshold` from which score on it is positive. `base` is the
    answer before anything is known of the row; base + parts + residual is the answer.
    """

    project: str
    model: str
    now: datetime
    timezone: str
    answer: Answered
    request: Mapping[str, Value]
    task: str
    label_name: str
    positive: Scalar
    threshold: float | None
    base: float
    prediction: float
    residual: float
    parts: tuple[Part, ...]
    time: str | None = None
    others: tuple[Otherwise, ...] = ()
    owner: Owner | None = None
    masked: tuple[str, ...] = ()
    beside: str | None = None


def prediction_facts(work: Workplace, identity: str) -> PredictionFacts:
    """Everything about one prediction. Raises NotFound where no model gave it, as of the workplace's moment."""
    found = prediction_by_id(work, identity)
    if found is None or (found[1].at > work.now() and isinstance(work.store.ledger, LedgerUntil)):
        raise NotFound(
            f"No prediction has the id {identity!r}.",
            next_step="Find it by what it is about: /live, or predictions.MODEL with `rondo sql`.",
        )
    model, logged = found
    declared = work.project.model(model)
    signature = signature_of(work, model, logged.version)
    packed = packed_version(work, model, logged.version)
    explanation = explain_logged(work, model, logged)
    personal = personal_columns(work, model)
    [answer] = answered(work, model, [logged])
    return PredictionFacts(
        project=work.project.settings.name,
        model=model,
        now=work.now(),
        timezone=work.project.settings.timezone,
        answer=answer,
        request={c.name: _hidden(c.name, logged.request.get(c.name), personal) for c in signature.request},
        task=signature.task,
        label_name=signature.label.name,
        positive=signature.classes[-1] if signature.task == "binary" else None,
        threshold=packed.threshold,
        base=explanation.base,
        prediction=explanation.prediction,
        residual=explanation.residual,
        parts=_parts(work, logged, signature, explanation.contributions, personal),
        time=signature.time,
        others=_otherwise(work, model, logged, signature),
        owner=owner_named(work, declared.owner),
        masked=tuple(sorted(personal & {*(c.name for c in signature.fed), *(c.name for c in signature.request)})),
        beside=logged.beside,
    )


def recent(work: Workplace, model: str, rows: int = RECENT) -> tuple[Answered, ...]:
    """The last answers that were given, newest first."""
    return answered(work, model, newest_logged(work, model, rows))


def newest_logged(work: Workplace, model: str, rows: int) -> list[Logged]:
    """The last answers as they were logged, newest first; remembered until there are others."""
    store = work.store
    until = work.now() if isinstance(store.ledger, LedgerUntil) else None
    sizes = tuple(store.log.sizes(stream_of(model)).items())
    key = (store.ledger_url, model, rows, until, store.lake.version(path_of(model)), sizes)
    return keep(_NEWEST, key, lambda: newest_answers(store, model, rows, until=until))


def asked_about(work: Workplace, model: str, signature: Signature, query: Mapping[str, str]) -> Found:
    """The newest answers of one day (`day`) about a key, of which any columns may be given; `only=flagged` (binary)
    leaves out what was not called positive. Raises WrongUse for no day.
    """
    timezone = work.project.settings.timezone
    try:
        start = parse_moment(query["day"], timezone, side="start")
    except WrongUse as error:
        raise WrongUse(f"{query['day']!r} is no day.", next_step="Write it as 2013-12-31.") from error
    names = [column.name for column in signature.key if not column.type.upper().startswith("TIMESTAMP")]
    key = {name: query[name].strip() for name in names if query.get(name, "").strip()}
    until = start + timedelta(days=1)
    binary = signature.task == "binary" and query.get("only") == "flagged"
    label = signature.classes[-1] if binary else None
    found = answers_about(work.store, signature, key, start, until, most=MOST + 1, label=label)
    now = work.now()
    known = [each for each in found if each.at <= now]
    return Found(answered(work, model, known[:MOST]), more=len(found) > MOST)


def answered(work: Workplace, model: str, logged: Sequence[Logged]) -> tuple[Answered, ...]:
    """Logged predictions with what came of them."""
    if not logged:
        return ()
    signature = signature_of(work, model, logged[0].version)
    personal = personal_columns(work, model)
    names = [column.name for column in signature.key] or [column.name for column in signature.inputs]
    outcomes = _outcomes(work, model, signature, logged)
    return tuple(_answered(each, model, names, signature, personal, outcomes.get(each.id)) for each in logged)


def personal_columns(work: Workplace, model: str) -> frozenset[str]:
    """The fields and features of a model that hold personal data, as its tables declare."""
    declared = work.project.models.get(model)
    if declared is None:
        return frozenset()
    found = {column for column, _ in work.project.tables[declared.examples].personal}
    for feature in declared.features:
        found |= {f"{feature.prefix}.{column}" for column, _ in work.project.tables[feature.table].personal}
    return frozenset(found)


def _hidden(name: str, value: object, personal: frozenset[str]) -> Value:
    if name in personal and value is not None:
        return MASKED
    return value if isinstance(value, datetime) else shown(value)


def _answered(
    logged: Logged,
    model: str,
    names: Sequence[str],
    signature: Signature,
    personal: frozenset[str],
    outcome: Mapping[str, Any] | None,
) -> Answered:
    binary = signature.task == "binary"
    plain = Answered(
        id=logged.id,
        version=model_version(model, logged.version),
        role=logged.role,
        at=logged.at,
        moment=logged.moment,
        key={name: _hidden(name, logged.request.get(name), personal) for name in names},
        score=logged.score,
        value=logged.value,
        scores=logged.scores,
        label=logged.label,
        flagged=logged.label == signature.classes[-1] if binary else None,
        missing=logged.missing,
        latency_ms=logged.latency_ms,
        caller=logged.caller,
    )
    if outcome is None:
        return plain
    truth = shown(outcome["outcome"])
    right = None if signature.task == "regression" else truth == logged.label
    return replace(plain, outcome=truth, outcome_known=outcome["known"], right=right)


def _outcomes(
    work: Workplace, model: str, signature: Signature, logged: Sequence[Logged]
) -> dict[str, Mapping[str, Any]]:
    """The outcome of each prediction that is known by now, by the prediction's id; of several the latest known."""
    path = outcomes_path(model)
    if work.store.lake.version(path) is None:
        return {}
    import pyarrow.dataset as ds

    keys = [column.name for column in signature.key]
    moments = sorted(each.moment for each in logged)
    files = work.store.lake.files(path)
    wanted = ds.field("moment").isin(moments)
    if keys and all(each.request.get(name) is not None for each in logged for name in keys):
        files = may_hold(files, "moment", moments[0], moments[-1])
    else:
        wanted |= ds.field("prediction").isin([each.id for each in logged])
    if not files:
        return {}
    rows = ds.dataset(files, format="parquet")
    names = ["moment", "prediction", "outcome", "known", *map(outcome_column, keys)]
    asked = {(each.moment, *(_comparable(each.request.get(name)) for name in keys)): each.id for each in logged}
    ids = {each.id for each in logged}
    found: dict[str, Mapping[str, Any]] = {}
    now = work.now()
    for row in rows.to_table(columns=names, filter=wanted).to_pylist():
        place = (row["moment"], *(_comparable(row.get(outcome_column(name))) for name in keys))
        identity = row["prediction"] if row["prediction"] in ids else asked.get(place)
        if identity is None or row["known"] > now:
            continue
        if identity not in found or found[identity]["known"] <= row["known"]:
            found[identity] = row
    return found


def _comparable(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _parts(
    work: Workplace, logged: Logged, signature: Signature, contributions: Iterable[Any], personal: frozenset[str]
) -> tuple[Part, ...]:
    """What each feature added, the greatest first, with where its value came from."""
    looked_up = {name: lookup for lookup in signature.lookups for name in lookup.names}
    derived = {each.name: each.expression for each in signature.derived}
    rows = rows_behind(work, signature, logged)
    found = []
    for each in contributions:
        lookup = looked_up.get(each.feature)
        column = each.feature.removeprefix(f"{lookup.prefix}.") if lookup else None
        found.append(
            Part(
                feature=each.feature,
                value=_hidden(each.feature, each.value, personal),
                contribution=each.contribution,
                table=lookup.table if lookup else None,
                column=column,
                expression=derived.get(each.feature),
                row=rows.get(lookup.prefix) if lookup else None,
                owner=owner_named(work, work.project.owner_of(lookup.table)) if lookup else None,
                sources=sources_of(work, lookup.table, column) if lookup and column else (),
            )
        )
    return tuple(sorted(found, key=lambda part: -abs(part.contribution)))


def sources_of(work: Workplace, table: str, column: str) -> tuple[str, ...]:
    """The columns of sources whose values it is made of, as `source.column`; of a count, the sources that are counted.

    Remembered until something is built or declared anew.
    """
    declared, newest = work.project.tables.get(table), work.store.ledger.latest(TableVersion)
    if declared is None or newest is None:
        return ()
    return keep(
        _SOURCES, (work.store.ledger_url, newest.seq, declared.sql, column), lambda: _traced(work, table, column)
    )


def _traced(work: Workplace, table: str, column: str) -> tuple[str, ...]:
    try:
        above = [each for each in upstream(work.catalog, table, column) if each[0] in work.project.sources]
    except RondoError:
        return ()
    values = [f"{name}.{of}" if of else name for name, of, kind in above if kind == "value"]
    return tuple(dict.fromkeys(values or [name for name, _, _ in above]))


def _otherwise(work: Workplace, model: str, logged: Logged, signature: Signature) -> tuple[Otherwise, ...]:
    """What the version before and the one in production now give for the same values, where they are fed the same."""
    at_work = {role: entry.record.version for role, entry in roles(work.store.ledger, model).items()}
    wanted = {at_work.get("production"), at_work.get("canary"), logged.version - 1} - {None, logged.version, 0}
    found = []
    for number in sorted(each for each in wanted if each is not None):
        if work.store.ledger.latest(Version, name=model, version=number) is None:
            continue
        packed = packed_version(work, model, number)
        if packed.signature.fed != signature.fed or packed.signature.task != signature.task:
            continue
        answer = answer_of(logged, packed.signature)
        score = packed.score(encode_values(packed.encoder, [answer.fed])).tolist()[0]
        held = tuple(role for role, version in at_work.items() if version == number)
        plain = score if isinstance(score, float) else max(score)
        label = None if signature.task == "regression" else shown(packed.label_of(score))
        found.append(Otherwise(model_version(model, number), plain, label, held))
    return tuple(found)
