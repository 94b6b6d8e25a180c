"""Moments as people write them, in the project's timezone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from rondo.errors import WrongUse


def parse_moment(text: str, timezone: str, *, side: Literal["start", "end"] = "end") -> datetime:
    """A moment in UTC. Without a zone it is the project's; a bare date is the start or the end of that day there.

    The end of a day is its last microsecond, so that `<=` takes the whole day.
    """
    zone = ZoneInfo(timezone)
    try:
        day = _day(text)
        if day is None:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        if side == "start":
            return datetime.combine(day, time.min, zone).astimezone(UTC)
        following = datetime.combine(day + timedelta(days=1), time.min, zone)
        return following.astimezone(UTC) - timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise WrongUse(
            f"{text!r} is not a moment.",
            next_step="Write a date (2013-05-01) or a date and time (2013-05-01T12:00, with Z or +02:00 if need be).",
        ) from error


def _day(text: str) -> date | None:
    """A date that stands without a clock time."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def as_document(moment: datetime) -> str:
    """A document's moment: ISO-8601 in UTC, ending in Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
