"""Who may ask the server: the keys that callers show, what each opens, how often it may be used."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest

from rondo.deploy.http import Need, Scope, header
from rondo.deploy.keys import ID, PREFIX, SCOPES, Key, listed, whole
from rondo.deploy.problems import Problem
from rondo.project.rates import Rate, parse_rate
from rondo.records.deployment import ApiKey
from rondo.store.ledger import LedgerReader

NAMES_KEPT = 100
_NAMING = (b"host", b"origin")
_BEARER = b"bearer "
_ID = slice(len(PREFIX), len(PREFIX) + ID)


class Bucket:
    """A token bucket: as many requests at once as the rate names, then as they flow back. Not for several threads.

    Each of `workers` processes gives out its part.
    """

    __slots__ = ("_left", "_per_second", "_room", "_since_s")

    def __init__(self, rate: Rate, workers: int) -> None:
        self._room = max(1.0, rate.requests / workers)
        self._per_second = rate.per_second / workers
        self._left, self._since_s = self._room, -math.inf

    def take(self, at_s: float) -> float:
        """Zero where a request may pass at `at_s`, a clock that only rises; else the seconds until one may."""
        left = min(self._room, self._left + (at_s - self._since_s) * self._per_second)
        self._since_s = at_s
        if left >= 1:
            self._left = left - 1
            return 0.0
        self._left = left
        return (1 - left) / self._per_second


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever shows a key."""

    name: str
    sha256: bytes
    opens: frozenset[str]
    expires: datetime | None = None
    revoked: bool = False
    bucket: Bucket | None = None


NOBODY = Holder("", bytes(32), frozenset())  # no key is known that has this digest


class Admission:
    """Which requests are answered. Keys are demanded as soon as one was ever made, and always where `exposed`.

    So a project without keys is open to its own machine, and revoking the last key closes it instead of opening it.
    `rate` holds for keys that name none, and for all requests together while no key is demanded. `local`: while none
    is, only programs of this machine are answered: no page of another site in a browser here, nothing that a proxy
    brings under another name. Making it raises StoreError: without the ledger nobody is let in.
    """

    def __init__(
        self,
        ledger: LedgerReader,
        *,
        exposed: bool = False,
        local: bool = False,
        rate: Rate | None = None,
        workers: int = 1,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger, self._rate, self._workers, self._clock = ledger, rate, workers, clock
        self._holders: dict[bytes, Holder] = {}
        self._records: dict[bytes, ApiKey] = {}
        self._seen = -1
        self._demanded, self._local = exposed, local
        self._names: set[bytes] = set()
        self._together = Bucket(rate, workers) if rate else None
        self.refresh()

    @property
    def guards(self) -> bool:
        """Whether `admit` would refuse anything."""
        return self._demanded or self._local or self._together is not None

    def refresh(self) -> None:
        """Brings in what the ledger says of keys. Raises StoreError; the keys before stay."""
        newest = self._ledger.latest(ApiKey)
        seq = newest.seq if newest else 0
        if seq == self._seen:
            return
        keys = {key.record.id.encode(): key for key in listed(self._ledger, self._clock())}
        self._holders = {identity: self._holder(identity, key) for identity, key in keys.items()}
        self._records = {identity: key.record for identity, key in keys.items()}
        self._demanded = self._demanded or bool(keys)
        self._seen = seq

    def _holder(self, identity: bytes, key: Key) -> Holder:
        record = key.record
        if self._records.get(identity) == record:
            return self._holders[identity]  # and with it the bucket as it is
        rate = parse_rate(record.rate, f"The rate of the key {record.name}") if record.rate else self._rate
        return Holder(
            record.name,
            bytes.fromhex(record.sha256),
            frozenset(("any", *(SCOPES if "admin" in record.scopes else record.scopes))),
            record.expires,
            record.revoked,
            Bucket(rate, self._workers) if rate else None,
        )

    def admit(self, need: Need | None, scope: Scope, at_s: float) -> str | None:
        """The name of the caller's key; None where none was asked for. `at_s` is a clock that only rises.

        The key is found by the part of it that is no secret, then the digests of all of it are compared without an
        early end; a key that is not there is compared too. Raises Problem (401, 403, 429).
        """
        if need is None:
            return None
        if not self._demanded:
            if self._local:
                self._refuse_strangers(scope)
            _spend(self._together, at_s)
            return None
        given = header(scope, b"authorization")
        if given is None or given[:7].lower() != _BEARER:
            raise _unauthorized("This server wants a key: send the header Authorization: Bearer rondo_….")
        key = given[7:].strip()
        holder = self._holders.get(key[_ID], NOBODY)
        if not compare_digest(sha256(key).digest(), holder.sha256):
            raise _unknown(key)
        if holder.revoked or (holder.expires is not None and holder.expires <= self._clock()):
            raise _unauthorized(
                f"The key {holder.name} {'was revoked' if holder.revoked else 'has expired'}.", shown=True
            )
        if need not in holder.opens:
            raise _forbidden(holder.name, need)
        _spend(holder.bucket, at_s)
        return holder.name

    def _refuse_strangers(self, scope: Scope) -> None:
        """Raises Problem (403) for what another site's page sends, or a name that leads here by a proxy or a trick."""
        for name, value in scope["headers"]:
            if name in _NAMING and value not in self._names:
                if not loopback(_host(value, name == b"origin")):
                    shown = value[:100].decode("latin-1")
                    raise Problem(
                        403,
                        f"While it has no keys this server answers programs of its own machine alone, and {shown!r} is "
                        "another name. `rondo key make` opens it to those who show one.",
                    )
                if len(self._names) < NAMES_KEPT:
                    self._names.add(value)


def loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(value: bytes, origin: bool) -> str:
    """The host in a Host header, or in an Origin's."""
    place = value.decode("latin-1").lower()
    if origin:
        place = place.partition("://")[2]
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.partition(":")[0]


def _spend(bucket: Bucket | None, at_s: float) -> None:
    """Raises Problem (429) where there is nothing left."""
    if bucket is not None and (wait_s := bucket.take(at_s)):
        seconds = math.ceil(wait_s)
        raise Problem(
            429, f"That is too many requests; ask again in {seconds} s.", headers={"retry-after": str(seconds)}
        )


def _unknown(key: bytes) -> Problem:
    if whole(key.decode("latin-1")):
        return _unauthorized("This key is not known here.", shown=True)
    return _unauthorized("This is no key, or a part was lost or changed on its way.", shown=True)


def _unauthorized(detail: str, *, shown: bool = False) -> Problem:
    """RFC 6750: an error is named only to those that showed something."""
    error = ', error="invalid_token"' if shown else ""
    return Problem(401, detail, headers={"www-authenticate": f'Bearer realm="rondo"{error}'})


def _forbidden(name: str, need: str) -> Problem:
    challenge = f'Bearer realm="rondo", error="insufficient_scope", scope="{need}"'
    return Problem(
        403,
        f"The key {name} does not have the scope {need!r}, which this needs.",
        headers={"www-authenticate": challenge},
    )
