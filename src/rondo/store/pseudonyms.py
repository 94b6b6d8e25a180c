"""Keys that are to be known again and may not be kept: HMAC-SHA256 (RFC 2104) under a secret of the state's folder.

The secret is a file that only its owner may read, apart from the ledger: whoever has the ledger alone cannot try keys
out. Whoever has both can tell whether a key that they name was forgotten, and no more.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

from rondo.errors import StoreError, WrongUse
from rondo.project.moments import parse_moment

FILE = "forget.secret"
REMEMBERED = 1_000_000


@dataclass(frozen=True)
class Pseudonyms:
    """What stands for the values of a key. `under` tells secrets apart and gives none away."""

    secret: bytes

    @property
    def under(self) -> str:
        """A name for the secret."""
        return hashlib.sha256(b"rondo forget" + self.secret).hexdigest()[:16]

    def of(self, values: Sequence[object]) -> str | None:
        """The pseudonym of a key's values, in their order; None where one is null."""
        texts = [text_of(value) for value in values]
        if not texts or None in texts:
            return None
        told = "\x1f".join([f"{len(text)}:{text}" for text in texts if text is not None])
        return hmac.digest(self.secret, told.encode(), "sha256").hex()


@dataclass(frozen=True)
class Forgotten:
    """Keys to be known again by `columns` (an SQL type each): their values have one of these pseudonyms."""

    columns: Mapping[str, str]
    digests: frozenset[str]
    pseudonyms: Pseudonyms
    timezone: str
    _known: dict[tuple[object, ...], bool] = field(default_factory=dict, repr=False, compare=False)

    def holds(self, values: tuple[object, ...]) -> bool:
        """Whether these values, in the order of `columns`, are a forgotten key."""
        try:
            found = self._known.get(values)
        except TypeError:  # a list or a struct is no key
            return False
        if found is None:
            if len(self._known) > REMEMBERED:
                self._known.clear()
            found = self._known[values] = self.pseudonym(values) in self.digests
        return found

    def pseudonym(self, values: Sequence[object]) -> str | None:
        """What stands for these values, in the order of `columns`."""
        typed = zip(values, self.columns.values(), strict=True)
        return self.pseudonyms.of([typed_value(value, kind, self.timezone) for value, kind in typed])


def open_pseudonyms(folder: Path, *, create: bool) -> Pseudonyms | None:
    """The pseudonyms of a state; None where it has no secret yet and none is to be made. Raises StoreError."""
    path = folder / FILE
    try:
        if create and not path.exists():
            _make(path)
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{FILE} cannot be read or made: {error}.", next_step="Bring it back from a backup."
        ) from error
    if len(secret) < 16:
        raise StoreError(f"{FILE} is cut short.", next_step="Bring it back from a backup.")
    return Pseudonyms(secret)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{FILE}.{uuid4().hex}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(32).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(partial, path)  # of two at once, one wins
    except FileExistsError:
        pass
    finally:
        partial.unlink()


def typed_value(value: object, sql_type: str, timezone: str) -> object:
    """A value as its column has it: JSON writes moments, and clients many a number, as text.

    A moment without a zone is in `timezone`.
    """
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=ZoneInfo(timezone))
    if not isinstance(value, str):
        return value
    kind = sql_type.upper()
    try:
        if kind.startswith("TIMESTAMP"):
            return parse_moment(value, timezone, side="start")
        if kind in ("VARCHAR", "UUID", "DATE", "BOOLEAN") or kind.startswith("ENUM"):
            return value
        return int(value) if re.fullmatch(r"-?\d+", value, re.ASCII) else float(value)
    except (ValueError, WrongUse):
        return value


def text_of(value: object) -> str | None:
    """A value as text that is the same in a request, the log, the lake and SQL; None of null."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value.isoformat() if isinstance(value, date) else str(value)
