"""Who asks: everybody of this machine while the project has no keys, else who has shown one.

A session is a cookie that names the key it was opened with, signed with a secret of this process: it ends after twelve
hours, with the key, and with the process. The token of its forms is signed with the same secret.
"""

from __future__ import annotations

import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest, digest
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zlib import crc32

from rondo.deploy.admission import Bucket, loopback
from rondo.deploy.keys import PREFIX, Key, identity, listed
from rondo.errors import RondoError
from rondo.project.rates import Rate
from rondo.records.deployment import ApiKey
from rondo.store.ledger import LedgerReader

if TYPE_CHECKING:
    from starlette.requests import Request

LASTS_S = 12 * 3600
ATTEMPTS = Rate(10, "m")
CLIENTS_KEPT = 1_000
NOBODY = bytes(32)  # no key is known that has this digest


class Turned(RondoError):
    """A request that is not let in. `status` is the answer's."""

    def __init__(self, status: int, message: str, next_step: str) -> None:
        super().__init__(message, next_step=next_step)
        self.status = status


@dataclass(frozen=True)
class Session:
    """Somebody who may look, and perhaps act. `token` guards the forms; `key` names the key that was shown, if any."""

    who: str
    may_act: bool
    token: str
    key: str | None = None

    def holds(self, token: str) -> bool:
        """Whether a form was made for this session."""
        return bool(self.token) and compare_digest(token.encode(), self.token.encode())


@dataclass
class Sessions:
    """Lets in, and out. `by` is who acts while the console is open; where it is `exposed` it never is.

    `place` tells the consoles of one machine apart, to which a browser sends the same cookies.
    """

    by: str
    exposed: bool = False
    place: str = ""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _seen: int = -1
    _keys: dict[str, Key] = field(default_factory=dict, repr=False)
    _attempts: OrderedDict[str, Bucket] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        return f"rondo_session_{crc32(self.place.encode()):08x}"

    def demanded(self, ledger: LedgerReader) -> bool:
        """Whether a key must be shown: as soon as one was ever made, and always where others can reach the console."""
        self._refresh(ledger)
        return self.exposed or bool(self._keys)

    def opened_by_a_key(self, ledger: LedgerReader) -> bool:
        """Whether there is a living key that opens the console."""
        self._refresh(ledger)
        return any(map(self._opens, self._keys.values()))

    def session(self, request: Request, ledger: LedgerReader) -> Session | None:
        """Who asks; None where nobody has signed in. Raises Turned for strangers of an open console."""
        if not self.demanded(ledger):
            refuse_strangers(request)
            return Session(self.by, True, self.signed("token", "open"))
        shown = request.headers.get("authorization", "")
        if shown[:7].lower() == "bearer ":
            key = self._opening(shown[7:].strip())
            return Session(key.record.owner, False, "", key.record.name) if key else None
        return self._of_cookie(request.cookies.get(self.cookie, ""))

    def sign_in(self, shown: str, client: str, ledger: LedgerReader) -> str | None:
        """The value of a new session's cookie; None for what opens nothing. Raises Turned after too many attempts."""
        self._spend(client)
        self._refresh(ledger)
        key = self._opening(shown)
        if key is None:
            return None
        until = int(self.clock().timestamp()) + LASTS_S
        body = f"{key.record.id}.{until}.{secrets.token_urlsafe(9)}"
        return f"{body}.{self.signed('session', body)}"

    def signed(self, purpose: str, body: str) -> str:
        """The signature of `body`, good for one purpose."""
        made = digest(self.secret, f"{purpose}\0{body}".encode(), "sha256")
        return urlsafe_b64encode(made).decode().rstrip("=")

    def _of_cookie(self, cookie: str) -> Session | None:
        body, _, signature = cookie.rpartition(".")
        if not compare_digest(signature.encode(), self.signed("session", body).encode()):
            return None
        name, until, _ = body.split(".")
        key = next((each for each in self._keys.values() if each.record.id == name), None)
        if key is None or int(until) <= self.clock().timestamp() or not self._opens(key):
            return None
        may_act = "admin" in key.record.scopes
        return Session(key.record.owner, may_act, self.signed("token", body) if may_act else "", key.record.name)

    def _opening(self, shown: str) -> Key | None:
        """The living key that was shown. One that is not there is compared too, so that nothing is told by the time."""
        named = identity(shown) if shown.startswith(PREFIX) else ""
        key = next((each for each in self._keys.values() if each.record.id == named), None)
        known = bytes.fromhex(key.record.sha256) if key else NOBODY
        return key if compare_digest(sha256(shown.encode()).digest(), known) and key and self._opens(key) else None

    def _opens(self, key: Key) -> bool:
        ended = key.record.revoked or (key.record.expires is not None and key.record.expires <= self.clock())
        return not ended and not {"look", "admin"}.isdisjoint(key.record.scopes)

    def _refresh(self, ledger: LedgerReader) -> None:
        """Brings in what the ledger says of keys: a revoked one ends its sessions with the next request."""
        newest = ledger.latest(ApiKey)
        seq = newest.seq if newest else 0
        if seq != self._seen:
            keys = {key.record.name: key for key in listed(ledger, self.clock())}
            self._keys, self._seen = keys, seq

    def _spend(self, client: str) -> None:
        """An attempt of a client. Raises Turned where it has none left."""
        with self._lock:
            bucket = self._attempts.pop(client, None) or Bucket(ATTEMPTS, 1)
            self._attempts[client] = bucket
            if len(self._attempts) > CLIENTS_KEPT:
                self._attempts.popitem(last=False)
            wait_s = bucket.take(time.monotonic())
        if wait_s:
            raise Turned(429, "That is too many attempts.", f"Try again in {int(wait_s) + 1} seconds.")


def refuse_strangers(request: Request) -> None:
    """An open console answers its own machine alone, under its own names: no page of another site that leads here.

    Raises Turned.
    """
    host = request.headers.get("host", "")
    if not loopback(_hostname(host)):
        raise Turned(
            403,
            f"While the project has no keys the console answers its own machine alone, and {host[:100]!r} is another "
            "name.",
            "Ask for it at 127.0.0.1 or localhost, or make a key: rondo key make NAME --scope admin.",
        )


def refuse_other_sites(request: Request) -> None:
    """Only this console's own pages may post. Raises Turned."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if origin is None:
        foreign = site not in (None, "same-origin", "none")
    else:
        foreign = origin.partition("://")[2] != request.headers.get("host", "")
    if foreign:
        raise Turned(
            403, f"This was sent from another site ({(origin or site or '')[:100]}).", "Act from a page of the console."
        )


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
