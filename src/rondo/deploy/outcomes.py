"""The inbox of outcomes: what clients report is checked and appended to the log; data joins it with predictions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from rondo.errors import RowError, WrongUse
from rondo.project.moments import parse_moment
from rondo.records.tables import Scalar
from rondo.store.log import PredictionLog, Written

STREAM = "outcomes"
FIELDS = ("id", "model", "key", "moment", "outcome", "known")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_Errors = list[tuple[str | None, str]]


class ReportedOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What really happened, of the prediction `id`, or of (model, key, moment). Moments are in UTC."""

    outcome: Scalar
    known: datetime
    received: datetime
    id: str | None = None
    model: str | None = None
    key: dict[str, Any] | None = None
    moment: datetime | None = None


_encoder = msgspec.msgpack.Encoder()
decode = msgspec.msgpack.Decoder(ReportedOutcome).decode


def parse(
    reported: Sequence[object], *, keys: Mapping[str, Sequence[str]], timezone: str, now: datetime
) -> list[ReportedOutcome]:
    """The outcomes of a request. Raises RowError naming every field at fault as `outcomes[0].known`.

    `keys` gives for each model the key columns that identify an example (and its time column, which may come along).
    Without `known` an outcome is known now.
    """
    if not reported:
        raise RowError([("outcomes", "is empty")])
    errors: _Errors = []
    found = [_one(each, f"outcomes[{number}]", keys, timezone, now, errors) for number, each in enumerate(reported)]
    if errors:
        raise RowError(errors, next_step="Mend the outcomes and send all of them again.")
    return [each for each in found if each is not None]


def append(log: PredictionLog, outcomes: Sequence[ReportedOutcome]) -> int:
    """Appends to the inbox; gives how many. Raises LogFull, StoreError; RowError for a number that it cannot hold."""
    log.append(STREAM, _payloads(outcomes))
    return len(outcomes)


def write(log: PredictionLog, outcomes: Sequence[ReportedOutcome]) -> Written | None:
    """`append`, but for the disk: a coroutine then awaits `log.safe` of what this gives."""
    return log.write(STREAM, _payloads(outcomes))


def _payloads(outcomes: Sequence[ReportedOutcome]) -> list[bytes]:
    try:
        return [_encoder.encode(outcome) for outcome in outcomes]
    except OverflowError as error:
        raise RowError([("outcomes", "holds a whole number beyond 64 bits")]) from error


def _one(
    given: object,
    at: str,
    keys: Mapping[str, Sequence[str]],
    timezone: str,
    now: datetime,
    errors: _Errors,
) -> ReportedOutcome | None:
    before = len(errors)
    if not isinstance(given, Mapping):
        errors.append((at, "must be an object"))
        return None
    errors += [(f"{at}.{name}", f"is unknown; there are: {', '.join(FIELDS)}") for name in given if name not in FIELDS]
    if "outcome" not in given:
        errors.append((f"{at}.outcome", "is missing"))
    elif not isinstance(given["outcome"], str | int | float | bool | None):
        errors.append((f"{at}.outcome", "must be text, a number, true, false or null"))
    known = _moment(given.get("known"), f"{at}.known", timezone, errors)
    identity, model, key, moment = None, None, None, None
    if "id" in given:
        identity = _text(given["id"], f"{at}.id", errors)
        errors += [(f"{at}.{name}", "may not stand beside id") for name in ("model", "key", "moment") if name in given]
    elif missing := [name for name in ("model", "key", "moment") if name not in given]:
        errors += [(f"{at}.{name}", "is missing: give an id, or model, key and moment") for name in missing]
    else:
        model = _text(given["model"], f"{at}.model", errors)
        key = _key(given["key"], model, at, keys, errors)
        moment = _moment(given["moment"], f"{at}.moment", timezone, errors)
        if given["moment"] is None:
            errors.append((f"{at}.moment", "must be a time, not null"))
    if len(errors) > before:
        return None
    return ReportedOutcome(
        outcome=given["outcome"], known=known or now, received=now, id=identity, model=model, key=key, moment=moment
    )


def _key(
    given: object, model: str | None, at: str, keys: Mapping[str, Sequence[str]], errors: _Errors
) -> dict[str, Any] | None:
    if model is not None and model not in keys:
        errors.append((f"{at}.model", f"is {model!r}; there are: {', '.join(sorted(keys)) or 'none'}"))
        return None
    if not isinstance(given, Mapping) or not given:
        errors.append((f"{at}.key", "must be an object with the key's columns"))
        return None
    for name, value in given.items():
        if not isinstance(value, str | int | float | bool | None):
            errors.append((f"{at}.key.{name}", "must be text, a number, true, false or null"))
    if model is not None:
        wanted = keys[model]
        errors += [
            (f"{at}.key.{name}", f"is no part of the key of {model} ({', '.join(wanted)})")
            for name in given
            if name not in wanted
        ]
    return dict(given)


def _moment(given: object, at: str, timezone: str, errors: _Errors) -> datetime | None:
    if given is None:
        return None
    if isinstance(given, str) and _MOMENT.fullmatch(given):
        try:
            return parse_moment(given, timezone).astimezone(UTC)
        except WrongUse:
            pass
    errors.append((at, "must be a time such as 2013-07-01T18:00:00Z"))
    return None


def _text(given: object, at: str, errors: _Errors) -> str | None:
    if isinstance(given, str) and given:
        return given
    errors.append((at, "must be text, and not empty"))
    return None
