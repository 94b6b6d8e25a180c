"""Data requests: what to collect, and how much of it would decide what is undecided now.

After a gate: each requirement that is undecided, or slice of one, where more rows would decide; and each slice with
fewer rows than its requirement wants. After measuring: each feature that is often missing. A request stands open until
what it is about is decided; it is written again only when what it asks for has changed by a quarter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from zoneinfo import ZoneInfo

import msgspec

from rondo.deploy.resolving import newest_declared
from rondo.loop.judging import newest_gate
from rondo.loop.versions import TEST, signature_of
from rondo.loop.workplace import Workplace
from rondo.monitor.measurements import is_of_week
from rondo.project.models import Model
from rondo.project.requirements import Requirement
from rondo.records.development import Evaluation, Gate, RequirementResult, SliceResult, Version
from rondo.records.monitoring import Measurement
from rondo.records.running import DataRequest
from rondo.records.versions import model_version
from rondo.store.ledger import LedgerReader

OFTEN = 0.10
"""A feature is often missing when this share of a week's requests surely lacks it."""
CHANGED = 0.25
NULLS = "null_share"


def newest_requests(ledger: LedgerReader, name: str) -> dict[str, DataRequest]:
    """The newest record of each request about a model, by id, in the order in which they were made."""
    return {entry.record.id: entry.record for entry in ledger.entries(DataRequest, name=name)}


def request_data(work: Workplace, model: Model, measured: Iterable[Measurement] = ()) -> list[DataRequest]:
    """Record what has come to be wanted, and what is wanted no more, of a model's newest gate and of what was measured.

    Answers what was recorded: nothing where all stands as it did.
    """
    known = newest_requests(work.store.ledger, model.name)
    wanted: dict[str, DataRequest] = {}
    decided: dict[str, str] = {}
    entry = newest_declared(work.store.ledger, model.name)
    gate = newest_gate(work, entry.record) if entry else None
    if gate is not None and entry is not None:
        wanted |= {each.id: each for each in _undecided(work, model, entry.record, gate)}
        whole = model_version(gate.name, gate.version)
        decided |= {each.id: f"gate of {whole}" for each in known.values() if each.why == "undecided"}
    for each in _newest_weeks(measured, work):
        found = _missing(work, model, each)
        if found.rows_now < (found.rows_needed or 0) and (each.low or 0.0) > OFTEN:
            wanted[found.id] = found
        elif each.high is not None and each.high < OFTEN:
            decided[found.id] = found.evidence
    changes = [each for each in wanted.values() if _is_news(known.get(each.id), each)]
    changes += [
        msgspec.structs.replace(known[identity], state="closed", evidence=evidence)
        for identity, evidence in decided.items()
        if identity not in wanted and identity in known and known[identity].state == "open"
    ]
    if changes:
        work.store.ledger.append(*changes, by=work.by)
    return changes


def _is_news(before: DataRequest | None, now: DataRequest) -> bool:
    """Whether a request is new, open again, or asks for a quarter more or less than it did."""
    if before is None or before.state == "closed":
        return True
    if before.rows_needed is None or now.rows_needed is None:
        return before.rows_needed != now.rows_needed
    return abs(now.rows_needed - before.rows_needed) > CHANGED * before.rows_needed


# --- after a gate ---------------------------------------------------------------------------------------------------


def _undecided(work: Workplace, model: Model, version: Version, gate: Gate) -> Iterator[DataRequest]:
    prd = work.project.prds.get(model.name)
    lines = {requirement.text: requirement for requirement in prd.requirements} if prd else {}
    days = _days(work, version, lines.values())
    for result in gate.requirements:
        requirement = lines.get(result.text)
        if requirement is None or result.limit is None:
            continue
        of_line = days.get(requirement.testset or TEST)
        if result.slices:
            for part in result.slices:
                yield from _of_slice(work, model, gate, requirement, result, part, of_line)
        elif result.state == "undecided" and result.n and result.value is not None:
            needed = rows_to_decide(result.value, result.low, result.high, result.limit, result.n)
            yield _asked(work, model, gate, result.text, "all rows", result, result.n, needed, of_line)


def _days(work: Workplace, version: Version, requirements: Iterable[Requirement]) -> Mapping[str, int]:
    """How many days each test set spans, where it has days."""
    found = {}
    for testset in {requirement.testset or TEST for requirement in requirements}:
        where = {"testset": testset}
        last = work.store.ledger.latest(Evaluation, name=version.name, version=version.version, where=where)
        if last is not None and last.record.blocks:
            found[testset] = last.record.blocks
    return found


def _of_slice(
    work: Workplace,
    model: Model,
    gate: Gate,
    requirement: Requirement,
    result: RequirementResult,
    part: SliceResult,
    days: int | None,
) -> Iterator[DataRequest]:
    about = f"{part.by}={part.is_}"
    least = requirement.minimum_rows or 0
    if part.state == "unexamined" and part.n < least:
        yield _asked(work, model, gate, result.text, about, part, part.n, least, days)
    elif part.state == "undecided" and part.value is not None and result.limit is not None:
        needed = rows_to_decide(part.value, part.low, part.high, result.limit, part.n)
        yield _asked(work, model, gate, result.text, about, part, part.n, needed, days)


def rows_to_decide(value: float, low: float | None, high: float | None, limit: float, n: int) -> int | None:
    """How many rows would bring the bound that faces the limit up to it, were the value to stay.

    `low` and `high` are bounds of `value` from `n` rows; their distance from it falls with the root of the rows. None
    where the value is at the limit, or a bound is unknown: no number of rows would decide.
    """
    facing = low if value > limit else high
    effect = abs(value - limit)
    if facing is None or effect == 0:
        return None
    ratio = (abs(value - facing) / effect) ** 2
    return math.ceil(n * ratio) if math.isfinite(ratio) else None


def _asked(
    work: Workplace,
    model: Model,
    gate: Gate,
    requirement: str,
    about: str,
    seen: RequirementResult | SliceResult,
    rows_now: int,
    rows_needed: int | None,
    days: int | None,
) -> DataRequest:
    whole = model_version(gate.name, gate.version)
    where = "" if about == "all rows" else f" where {about}"
    between = "" if seen.low is None or seen.high is None else f" [{seen.low:.3g}, {seen.high:.3g}]"
    value = "" if seen.value is None else f" at {seen.value:.3g}{between}"
    told = f"{requirement!r} of {whole} is {seen.state}{where}{value} on {rows_now:,} rows"
    more = None
    if days and rows_now and rows_needed is not None:
        more = round(days * (rows_needed / rows_now - 1), 1)
    if rows_needed is None:
        told += "; it stands at its limit, which no number of rows decides"
    else:
        wanted = "it is examined from {:,} on" if seen.state == "unexamined" else "about {:,} would decide"
        told += f"; {wanted.format(rows_needed)}" + (f", {more:,.0f} more days of such" if more else "")
    return DataRequest(
        name=model.name,
        id=_identity(model.name, "undecided", requirement, about),
        state="open",
        why="undecided",
        about=about if where else requirement,
        what=f"{told}.",
        rows_now=rows_now,
        rows_needed=rows_needed,
        days_needed=more,
        owner=work.project.owner_of(model.examples) or model.owner,
        evidence=f"gate of {whole}",
    )


# --- after measuring ------------------------------------------------------------------------------------------------


def _newest_weeks(measured: Iterable[Measurement], work: Workplace) -> Sequence[Measurement]:
    """Of each feature the share missing in the newest week that is over."""
    now = work.now()
    found: dict[str, Measurement] = {}
    for each in measured:
        over = each.metric == NULLS and each.by is None and is_of_week(each) and each.end <= now
        if not over or each.feature is None or each.value is None or not each.n:
            continue
        if each.feature not in found or each.start > found[each.feature].start:
            found[each.feature] = each
    return list(found.values())


def _missing(work: Workplace, model: Model, measured: Measurement) -> DataRequest:
    feature, share, n = str(measured.feature), measured.value or 0.0, measured.n or 0
    missing, wanted = round(share * n), math.ceil((1 - OFTEN) * n)
    low, high = measured.low, measured.high
    between = "" if low is None or high is None else f" [{low:.0%}, {high:.0%}]"
    zone = ZoneInfo(work.project.settings.timezone)
    week = f"{measured.start.astimezone(zone):%Y-%m-%d} to {measured.end.astimezone(zone):%Y-%m-%d}"
    return DataRequest(
        name=model.name,
        id=_identity(model.name, "missing", feature),
        state="open",
        why="missing",
        about=feature,
        what=(
            f"{feature} is missing in {share:.0%}{between} of {n:,} requests ({week}); for nine of ten to have it, "
            f"{max(0, wanted - (n - missing)):,} more a week need it."
        ),
        rows_now=n - missing,
        rows_needed=wanted,
        days_needed=None,
        owner=_owner(work, model, feature, measured.model_version),
        evidence=f"{NULLS} of {feature}, {week}",
    )


def _owner(work: Workplace, model: Model, feature: str, version: int | None) -> str | None:
    """Who owns the table that a feature is looked up in; of an input, the examples."""
    table = model.examples
    if version is not None:
        prefix = feature.rpartition(".")[0]
        lookups = signature_of(work, model.name, version).lookups
        table = next((lookup.table for lookup in lookups if lookup.prefix == prefix), table)
    return work.project.owner_of(table) or model.owner


def _identity(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()[:12]
