"""A canary or a shadow beside production: the same requests, scored by both, and what came of them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from rondo.data.labels import column_of as outcome_column
from rondo.data.labels import path_of as outcomes_path
from rondo.deploy.logged import column_of
from rondo.deploy.predictions import path_of, uncompacted
from rondo.deploy.rollout import roles
from rondo.features.signature import Signature
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.records.deployment import Deployment, Role
from rondo.records.development import Figure
from rondo.records.versions import model_version
from rondo.sql.engine import connect, literal, quote, relation_of_files
from rondo.stats.days import days_of
from rondo.stats.proportions import mean_interval, proportion
from rondo.stats.results import Estimate, Floats
from rondo.store.ledger import Entry
from rondo.store.spans import may_hold

LONGEST = timedelta(days=30)
MOST = 50_000
LEAST = 1e-15


@dataclass(frozen=True)
class Beside:
    """A version beside production since its beginning (30 days at most): `pairs` requests that both scored.

    All differences are that version's less production's, with 95 % intervals (days drawn whole). `flips` is the share
    of requests that the two called otherwise (regression: None). `loss` is the log loss (regression: the squared error)
    on the `judged` pairs whose outcome is known: below 0 the version is better.
    """

    role: Role
    version: str
    production: str
    share: float
    since: datetime
    pairs: int
    judged: int = 0
    score: Figure | None = None
    flips: Figure | None = None
    loss: Figure | None = None


def beside_production(work: Workplace, model: Model, signature: Signature, now: datetime) -> tuple[Beside, ...]:
    """The canary and the shadow that are at work."""
    held = roles(work.store.ledger, model.name)
    production = held.get("production")
    if production is None:
        return ()
    whole = model_version(model.name, production.record.version)
    others = [entry for role, entry in held.items() if role != "production"]
    return tuple(_beside(work, model, signature, whole, entry, now) for entry in others)


def _beside(
    work: Workplace, model: Model, signature: Signature, production: str, entry: Entry[Deployment], now: datetime
) -> Beside:
    made = entry.record
    version = model_version(model.name, made.version)
    since = max(entry.at, now - LONGEST)
    pairs = _pairs(work, model.name, signature, version, production, since, now)
    plain = Beside(made.role, version, production, made.share, entry.at, len(pairs["day"]))
    if not plain.pairs:
        return plain
    day, mine, theirs, truth = pairs["day"], pairs["mine"], pairs["theirs"], pairs["truth"]
    judged = np.isfinite(truth) & np.isfinite(mine) & np.isfinite(theirs)
    loss = None
    if judged.any():
        losses = _loss(signature, mine[judged], truth[judged]) - _loss(signature, theirs[judged], truth[judged])
        loss = _figure(mean_interval(losses, blocks=day[judged]))
    flips = None if signature.task == "regression" else proportion(int(pairs["flipped"].sum()), plain.pairs)
    moved = np.isfinite(mine) & np.isfinite(theirs)
    return Beside(
        made.role,
        version,
        production,
        made.share,
        entry.at,
        plain.pairs,
        judged=int(judged.sum()),
        score=_figure(mean_interval((mine - theirs)[moved], blocks=day[moved])) if moved.any() else None,
        flips=_figure(flips) if flips else None,
        loss=loss,
    )


def _figure(estimate: Estimate) -> Figure:
    return Figure(value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n)


def _loss(signature: Signature, answered: Floats, truth: Floats) -> Floats:
    """The loss of each row: of a probability of what happened, or of a value."""
    if signature.task == "regression":
        squared: Floats = (answered - truth) ** 2
        return squared
    of_truth = np.where(truth > 0, answered, 1 - answered)
    log_loss: Floats = -np.log(np.clip(of_truth, LEAST, 1.0))
    return log_loss


def _pairs(
    work: Workplace, model: str, signature: Signature, version: str, production: str, since: datetime, until: datetime
) -> dict[str, Any]:
    """The requests that both scored, the newest `MOST`: local day, both scores, whether they were called otherwise, and
    the outcome as a number (NaN while it is not known; of several classes it stays unknown).
    """
    store, keys = work.store, [column.name for column in signature.key]
    there = store.lake.version(path_of(model)) is not None
    files = may_hold(store.lake.files(path_of(model)), "at", since, until) if there else []
    waiting = uncompacted(store, model)
    score = "value" if signature.task == "regression" else "score"
    none: dict[str, Any] = {name: np.array([]) for name in ("day", "mine", "theirs", "flipped", "truth")}
    if signature.task == "multiclass" or not (files or waiting is not None):
        return none
    with closing(connect(timezone=work.project.settings.timezone)) as con:
        parts = [f"select * from {relation_of_files(files)}"] if files else []
        if waiting is not None:
            con.register("waiting", waiting)
            parts.append("select * from waiting")
        con.sql(f"create view p as {' union all by name '.join(parts)}")
        named = ", ".join(f"a.{quote(column_of(name, 'key'))} as k{n}" for n, name in enumerate(keys))
        con.sql(
            f"create view pairs as select a.moment, {named + ', ' if keys else ''}"
            f"case when a.version = {literal(version)} then a else b end as m, "
            f"case when a.version = {literal(version)} then b else a end as t "
            f"from p as a join p as b on b.beside = a.id "
            f'where a."at" >= {literal(since)} and a."at" <= {literal(until)} and '
            f"least(a.version, b.version) = least({literal(version)}, {literal(production)}) and "
            f"greatest(a.version, b.version) = greatest({literal(version)}, {literal(production)}) "
            f'order by a."at" desc limit {MOST}'
        )
        truth, joined = _truth(work, model, signature, since, until)
        rows = con.sql(
            f"select epoch_us(pairs.moment) as us, m.{score} as mine, t.{score} as theirs, "
            f"{'false' if score == 'value' else 'm.label is distinct from t.label'} as flipped, {truth} as truth "
            f"from pairs{joined}"
        ).to_arrow_table()
    if not rows.num_rows:
        return none
    day = days_of(np.asarray(rows.column("us"), dtype=np.int64), work.project.settings.timezone)
    numbers = {
        name: np.asarray(rows.column(name).to_pylist(), dtype=np.float64) for name in ("mine", "theirs", "truth")
    }
    return {"day": day, "flipped": np.asarray(rows.column("flipped").to_pylist(), dtype=np.bool_), **numbers}


def _truth(work: Workplace, model: str, signature: Signature, since: datetime, until: datetime) -> tuple[str, str]:
    """The outcome of each pair as a number, and the join that brings it."""
    lake, keys = work.store.lake, [column.name for column in signature.key]
    there = keys and lake.version(outcomes_path(model)) is not None
    files = may_hold(lake.files(outcomes_path(model)), "moment", since - LONGEST, until) if there else []
    if not files:
        return "null::double", ""
    equal = " and ".join(f"o.{quote(outcome_column(name))} = pairs.k{n}" for n, name in enumerate(keys))
    columns = ", ".join(quote(outcome_column(name)) for name in keys)
    latest = (
        f"(select moment, {columns}, arg_max(outcome, known) as outcome from {relation_of_files(files)} "
        f"where known <= {literal(until)} group by all)"
    )
    joined = f" left join {latest} as o on o.moment = pairs.moment and {equal}"
    if signature.task == "regression":
        return "o.outcome::double", joined
    return f"(o.outcome = {literal(signature.classes[-1])})::int::double", joined
