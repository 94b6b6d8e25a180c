"""API keys of the prediction server: made, listed, revoked. The ledger holds their digests alone.

A key is `rondo_ID_SECRET`: eight characters that name it and are no secret; 33 random ones (196 bits) and six of a
checksum, so that a slip of the keyboard is told from a key that is not there. A plain SHA-256 of it is kept: slow
hashes protect what people make up, and nobody searches 2^196 keys, however fast each is tried.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from rondo.errors import NotFound, Refused, WrongUse
from rondo.project.tables import NAME
from rondo.records.deployment import ApiKey, KeyScope
from rondo.store.ledger import Entry, Ledger, LedgerReader
from rondo.team.decisions import decide

SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
PREFIX = "rondo_"
ALPHABET = string.digits + string.ascii_letters
ID, SECRET, CHECK = 8, 33, 6
LENGTH = len(PREFIX) + ID + 1 + SECRET + CHECK


@dataclass(frozen=True)
class Key:
    """A key as it stands: its newest record, when it was made, and until when it was good if it no longer is."""

    record: ApiKey
    made: datetime
    state: Literal["live", "expired", "revoked"]
    ended: datetime | None


def make(
    ledger: Ledger,
    name: str,
    *,
    scopes: Sequence[str],
    owner: str,
    by: str,
    now: datetime,
    rate: str | None = None,
    lasts_s: int | None = None,
    because: str | None = None,
) -> tuple[ApiKey, str]:
    """Records a new key; gives its record and the key itself, which is nowhere else. `now` is the wall clock's.

    Raises WrongUse for a name or a scope that cannot be, Refused while a key of that name lives.
    """
    if not NAME.fullmatch(name.replace("-", "_")) or not name.isascii() or len(name) > 60:
        raise WrongUse(f"A key cannot be called {name!r}.", next_step="Use up to 60 letters, digits, - and _.")
    scopes = tuple(dict.fromkeys(scopes))
    if not scopes or (wrong := [scope for scope in scopes if scope not in SCOPES]):
        said = f"There is no scope {wrong[0]!r}" if scopes else "A key without a scope opens nothing"
        raise WrongUse(f"{said}.", next_step=f"Give --scope one or more of {', '.join(SCOPES)}.")
    if any(key.record.name == name and key.state == "live" for key in listed(ledger, now)):
        raise Refused(
            f"There is a living key {name}.",
            next_step=f"Take another name; once its callers use the new key, `rondo key revoke {name}`.",
        )
    key = draw()
    record = ApiKey(
        name=name,
        id=identity(key),
        scopes=list(scopes),  # type: ignore[arg-type]  # each is one of SCOPES
        owner=owner,
        sha256=hashlib.sha256(key.encode()).hexdigest(),
        rate=rate,
        expires=None if lasts_s is None else now + timedelta(seconds=lasts_s),
        because=because,
    )
    ledger.append(record, by=by)
    decide(ledger, name, f"key {record.id} made for {owner}: {', '.join(scopes)}", by=by, why=because)
    return record, key


def revoke(ledger: Ledger, name: str, *, because: str, by: str, now: datetime) -> ApiKey:
    """Ends a key. Raises NotFound for one that is not, Refused where it has ended, WrongUse without a reason."""
    if not because.strip():
        raise WrongUse("Revoking a key needs a reason.", next_step='Add --because "…".')
    keys = {key.record.name: key for key in listed(ledger, now)}
    if name not in keys:
        raise NotFound.among("key", name, list(keys))
    key = keys[name]
    if key.state != "live":
        raise Refused(f"The key {name} is {key.state} already.", next_step="Nothing to do.")
    old = key.record
    record = ApiKey(
        name=name, id=old.id, scopes=old.scopes, owner=old.owner, sha256=old.sha256, rate=old.rate,
        expires=old.expires, because=because, revoked=True,
    )  # fmt: skip
    ledger.append(record, by=by)
    decide(ledger, name, f"key {record.id} revoked", by=by, why=because)
    return record


def listed(ledger: LedgerReader, now: datetime) -> list[Key]:
    """The newest key of every name, as it stands at `now` on the wall clock, in the order of their names."""
    newest: dict[str, Entry[ApiKey]] = {}
    made: dict[str, datetime] = {}
    for entry in ledger.entries(ApiKey):
        newest[entry.record.name] = entry
        made.setdefault(entry.record.id, entry.written)
    return [_key(entry, made[entry.record.id], now) for _, entry in sorted(newest.items())]


def _key(entry: Entry[ApiKey], made: datetime, now: datetime) -> Key:
    record = entry.record
    if record.revoked:
        return Key(record, made, "revoked", entry.written)
    if record.expires is not None and record.expires <= now:
        return Key(record, made, "expired", record.expires)
    return Key(record, made, "live", None)


def draw() -> str:
    """A new key."""
    stem = f"{PREFIX}{_random(ID)}_{_random(SECRET)}"
    return stem + _checksum(stem)


def whole(key: str) -> bool:
    """Whether it is written as a key is, checksum and all; says nothing of whether there is such a key."""
    return len(key) == LENGTH and key.startswith(PREFIX) and _checksum(key[:-CHECK]) == key[-CHECK:]


def identity(key: str) -> str:
    """The part of a key that names it."""
    return key[len(PREFIX) : len(PREFIX) + ID]


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _checksum(stem: str) -> str:
    left, found = zlib.crc32(stem.encode()), ""
    for _ in range(CHECK):
        left, digit = divmod(left, len(ALPHABET))
        found += ALPHABET[digit]
    return found
