"""How a model is at work: what answers, how it is served, how well it does, what it is asked with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rondo.deploy.resolving import signature_of
from rondo.deploy.rollout import roles
from rondo.develop.judging import main_metric, metrics_for
from rondo.features.signature import Signature
from rondo.handbook.inputs import FeatureFacts, ScoreFacts, feature_facts, score_facts
from rondo.handbook.measured import Measured, Share, flagged_since, is_of_day, measured, nulls_above
from rondo.handbook.owners import Owner, owner_named
from rondo.handbook.predictions import Answered, asked_about, recent
from rondo.handbook.rollbacks import WayBack, way_back
from rondo.handbook.rollouts import Beside, beside_production
from rondo.handbook.tables import Freshness, freshness
from rondo.handbook.trying import TryFacts, try_facts
from rondo.loop.workplace import Workplace
from rondo.monitor.alerting import newest_alerts, standing
from rondo.monitor.freshness import fresh_lengths, upstream_of
from rondo.monitor.incidents import newest_incidents
from rondo.monitor.measurements import is_of_week
from rondo.project.models import Model
from rondo.records.deployment import Deployment, Rehearsal, Role
from rondo.records.development import Evaluation, Version
from rondo.records.monitoring import Alert, Measurement
from rondo.records.tables import Scalar
from rondo.records.versions import model_version
from rondo.store.ledger import Entry

SERVICE = (
    "requests", "requests_per_s", "error_share", "refused_share", "latency_p50_ms", "latency_p99_ms",
    "log_write_p99_ms", "log_lag_s", "abrupt_ends",
)  # fmt: skip
HOURS, DAYS, WEEKS, PAST = 72, 92, 53, 12


@dataclass(frozen=True)
class Held:
    """A version in a role: its share of the answers, since when, who put it there and why, and what it replaced."""

    role: Role
    version: str
    share: float
    since: datetime
    by: str
    because: str | None = None
    evidence: str | None = None
    replaced: str | None = None
    ended: bool = False


@dataclass(frozen=True)
class Fresh:
    """Something that the model reads, and for how long it stays fresh (hours): `staleness` is how old its newest row
    was when that was measured last, `known` how old it is now.
    """

    name: str
    source: bool
    staleness: Measurement | None
    fresh_h: float | None
    owner: Owner | None
    known: Freshness | None = None


@dataclass(frozen=True)
class Parity:
    """Whether the version answers as it was judged: rehearsed before it went to work, and sampled since.

    `skew` is of the newest day, a look-up's column each; `golden` are the golden test sets (rows, and how many differ).
    """

    rehearsal: Rehearsal | None = None
    rehearsed: datetime | None = None
    golden: Mapping[str, tuple[int, int]] | None = None
    skew: tuple[Measurement, ...] = ()


@dataclass(frozen=True)
class Slices:
    """The newest matured week by one column."""

    by: str
    measured: tuple[Measurement, ...]


@dataclass(frozen=True)
class LiveFacts:
    """A model at work, as of `now`. What has not been measured is empty.

    `service` are the newest service measurements of a day and `hours` of the last hours, by metric; `days` are the
    answers, flagged and missing shares by day; `quality`, `estimated` and `calibration` are weeks, oldest first.
    `found` are the answers about what was asked for (None where nothing was); `more` says that there are more.
    `unmeasured` is since when something stands open that no week with its outcomes tells of, `flagged` then the share
    flagged since, and in the weeks before. `nulls` is how many features were null more often than in training on the
    newest day, and of how many that was measured.
    """

    project: str
    model: str
    now: datetime
    timezone: str
    metric: str
    higher_is_better: bool
    task: str
    label_name: str
    roles: tuple[Held, ...] = ()
    history: tuple[Held, ...] = ()
    summary: str | None = None
    owner: Owner | None = None
    back: WayBack | None = None
    service: Mapping[str, Measurement] | None = None
    hours: Mapping[str, Sequence[Measurement]] | None = None
    days: Mapping[str, Sequence[Measurement]] | None = None
    quality: tuple[Measurement, ...] = ()
    estimated: tuple[Measurement, ...] = ()
    calibration: tuple[Measurement, ...] = ()
    slices: tuple[Slices, ...] = ()
    features: tuple[FeatureFacts, ...] = ()
    scores: ScoreFacts | None = None
    beside: tuple[Beside, ...] = ()
    fresh: tuple[Fresh, ...] = ()
    parity: Parity = Parity()
    alerts: tuple[Alert, ...] = ()
    owners: Mapping[str, Owner] = field(default_factory=dict)
    incidents: tuple[tuple[str, str], ...] = ()
    recent: tuple[Answered, ...] = ()
    form: TryFacts | None = None
    keys: tuple[str, ...] = ()
    asked: Mapping[str, str] | None = None
    found: tuple[Answered, ...] | None = None
    more: bool = False
    unmeasured: datetime | None = None
    flagged: tuple[Share, Share] | None = None
    nulls: tuple[int, int] | None = None
    positive: Scalar = None
    threshold: float | None = None


@dataclass(frozen=True)
class LiveModel:
    """A model in the list of models: what is in production, and how it stands."""

    name: str
    summary: str | None
    owner: Owner | None
    production: Held | None
    quality: Measurement | None
    alerts: int
    latest: str | None


@dataclass(frozen=True)
class LiveModels:
    """Every model of the project."""

    project: str
    now: datetime
    models: tuple[LiveModel, ...]


def live_index(work: Workplace, query: Mapping[str, str]) -> LiveFacts | LiveModels:
    """The model at work where there is one alone, else all of them."""
    at_work = [name for name in work.project.models if "production" in roles(work.store.ledger, name)]
    if len(at_work) == 1 and len(work.project.models) == 1:
        return live_facts(work, at_work[0], query)
    models = [_listed(work, name) for name in work.project.models]
    return LiveModels(work.project.settings.name, work.now(), tuple(models))


def warm(work: Workplace) -> None:
    """Look at every model at work once, so that the next look is quick: measurements and sketches are read by then."""
    for name in work.project.models:
        live_facts(work, name, {})


def _listed(work: Workplace, name: str) -> LiveModel:
    model, held = work.project.models[name], roles(work.store.ledger, name)
    newest = work.store.ledger.latest(Version, name=name)
    weeks = [each for each in measured(work, name).weeks(_metric(work, model)[0]) if each.value is not None]
    return LiveModel(
        name=name,
        summary=model.summary,
        owner=owner_named(work, model.owner),
        production=_held(held["production"]) if "production" in held else None,
        quality=weeks[-1] if weeks else None,
        alerts=sum(alert.model == name for alert in standing(newest_alerts(work.store.ledger))),
        latest=model_version(name, newest.record.version) if newest else None,
    )


def live_facts(work: Workplace, name: str, query: Mapping[str, str]) -> LiveFacts:
    """One model at work; `day` in the query asks for the answers about a key. Raises NotFound, WrongUse."""
    model, ledger, now = work.project.model(name), work.store.ledger, work.now()
    metric, higher = _metric(work, model)
    held = roles(ledger, name)
    history = ledger.entries(Deployment, name=name, limit=PAST, newest_first=True)
    alerts = _alerts(work, name)
    plain = LiveFacts(
        project=work.project.settings.name,
        model=name,
        now=now,
        timezone=work.project.settings.timezone,
        metric=metric,
        higher_is_better=higher,
        task=model.task.kind,
        label_name=model.task.label,
        roles=tuple(_held(entry) for entry in held.values()),
        history=tuple(_held(entry) for entry in history),
        summary=model.summary,
        owner=owner_named(work, model.owner),
        alerts=tuple(alerts),
        owners={each.owner: owner for each in alerts if each.owner and (owner := owner_named(work, each.owner))},
        incidents=tuple((i.id, i.summary) for i in newest_incidents(ledger) if i.name == name and i.state != "closed"),
    )
    production = held.get("production")
    if production is None:
        return plain
    return _measured_facts(work, model, production.record, plain, query)


def _measured_facts(
    work: Workplace, model: Model, production: Deployment, plain: LiveFacts, query: Mapping[str, str]
) -> LiveFacts:
    name, found = model.name, measured(work, model.name)
    signature = signature_of(work.store, name, production.version)
    version = work.store.ledger.latest(Version, name=name, version=production.version)
    record = version.record if version else None
    today = plain.now.astimezone(ZoneInfo(plain.timezone)).date()
    form = try_facts(work, name, {})
    asked = asked_about(work, name, signature, query) if query.get("day") else None
    weeks = [week for week in found.weeks(plain.metric) if week.value is not None]
    since = min((each.since for each in plain.alerts if weeks and each.since >= weeks[-1].end), default=None)
    return replace(
        plain,
        unmeasured=since,
        nulls=nulls_above(found, missing[-1]) if (missing := found.days("rows_with_missing_inputs")) else None,
        flagged=flagged_since(found, since, plain.now) if since else None,
        back=way_back(work, name),
        service=_service(found),
        hours={each: found.hours(each)[-HOURS:] for each in SERVICE},
        days={each: found.days(each)[-DAYS:] for each in ("rows", "rows_with_missing_inputs", "flagged_share")},
        quality=tuple(found.weeks(plain.metric)[-WEEKS:]),
        estimated=tuple(found.weeks(f"estimated_{plain.metric}")[-WEEKS:]),
        calibration=tuple(found.weeks("expected_calibration_error")[-WEEKS:]),
        slices=_slices(found, plain.metric),
        features=feature_facts(work, name, signature, record, found, today),
        scores=score_facts(work, name, record, found, today),
        beside=beside_production(work, model, signature, plain.now),
        fresh=_fresh(work, model, found),
        parity=_parity(work, name, production.version, found),
        recent=recent(work, name),
        form=form,
        keys=_key_fields(signature),
        asked=dict(query) if query.get("day") else None,
        found=asked.answers if asked else None,
        more=asked is not None and asked.more,
        positive=form.positive,
        threshold=form.threshold,
    )


def _metric(work: Workplace, model: Model) -> tuple[str, bool]:
    metric = main_metric(model, metrics_for(model, work.project.metrics))
    return metric.name, metric.higher_is_better


def _held(entry: Entry[Deployment]) -> Held:
    made = entry.record
    return Held(
        role=made.role,
        version=model_version(made.name, made.version),
        share=made.share,
        since=entry.at,
        by=entry.by,
        because=made.because,
        evidence=made.evidence,
        replaced=model_version(made.name, made.replaced) if made.replaced else None,
        ended=made.ended,
    )


def _alerts(work: Workplace, name: str) -> list[Alert]:
    """Those that stand, the critical ones first."""
    alerts = [alert for alert in standing(newest_alerts(work.store.ledger)) if alert.model == name]
    return sorted(alerts, key=lambda alert: (alert.severity != "critical", alert.since))


def _service(found: Measured) -> dict[str, Measurement]:
    newest = {each: found.days(each) for each in SERVICE}
    return {each: days[-1] for each, days in newest.items() if days}


def _slices(found: Measured, metric: str) -> tuple[Slices, ...]:
    """The newest week whose slices were judged, the worst slice first."""
    weeks = [each for each in found.of(metric) if each.by is not None and is_of_week(each)]
    if not weeks:
        return ()
    newest = max(each.start for each in weeks)
    last = [each for each in weeks if each.start == newest]
    grouped: dict[str, list[Measurement]] = {}
    for each in last:
        grouped.setdefault(str(each.by), []).append(each)
    return tuple(
        Slices(by, tuple(sorted(part, key=lambda m: (m.value is None, m.value or 0.0)))) for by, part in grouped.items()
    )


def _fresh(work: Workplace, model: Model, found: Measured) -> tuple[Fresh, ...]:
    lengths, ages = fresh_lengths(model, work.nodes), freshness(work, upstream_of(model, work.nodes))
    newest = {each.feature: each for each in found.of("staleness_h")}
    return tuple(
        Fresh(
            name=name,
            source=name in work.project.sources,
            staleness=newest.get(name),
            fresh_h=lengths[name] / timedelta(hours=1) if name in lengths else None,
            owner=owner_named(work, work.project.owner_of(name)),
            known=ages.get(name),
        )
        for name in upstream_of(model, work.nodes)
        if name in lengths or name in newest
    )


def _parity(work: Workplace, name: str, version: int, found: Measured) -> Parity:
    ledger = work.store.ledger
    rehearsal = ledger.latest(Rehearsal, name=name, version=version)
    golden = {}
    for testset in work.project.testsets.values():
        if testset.kind == "jsonl":
            entry = ledger.latest(Evaluation, name=name, version=version, where={"testset": testset.name})
            if entry is not None and entry.record.golden is not None:
                golden[testset.name] = entry.record.golden.rows, entry.record.golden.differ
    skew = [each for each in found.of("skew_share") if is_of_day(each) and each.feature is not None]
    newest = {each.feature: each for each in skew}
    return Parity(
        rehearsal=rehearsal.record if rehearsal else None,
        rehearsed=rehearsal.at if rehearsal else None,
        golden=golden or None,
        skew=tuple(sorted(newest.values(), key=lambda m: (-(m.value or 0.0), str(m.feature)))),
    )


def _key_fields(signature: Signature) -> tuple[str, ...]:
    """What answers are found by: the key's columns but moments."""
    return tuple(column.name for column in signature.key if not column.type.upper().startswith("TIMESTAMP"))
