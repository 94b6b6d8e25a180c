"""Sending to a channel: console, HTTP (urllib) and e-mail (smtplib). Addresses and secrets are read when sending.

The standard library serves: each channel is one POST or one message, and a library that speaks a hundred services
would neither sign the bytes nor say whether a receiver refused or could not be reached, which decides what comes next.
"""

from __future__ import annotations

import smtplib
import ssl
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from rondo.errors import Broken
from rondo.language.words import Language
from rondo.monitor.messages import PAGERDUTY, Request, email, request_of, text
from rondo.project.channels import ENVIRONMENT, Channel
from rondo.records.monitoring import Alert, Delivery

if TYPE_CHECKING:
    from email.message import EmailMessage

TIMEOUT_S = 10.0
_READ = 1 << 16
Send = Callable[[Alert, Delivery, datetime], None]
"""Sends one change of an alert at that moment. Raises Undelivered."""


class Undelivered(Broken):
    """A receiver did not take it. `reached` says that it answered: it refused this one, and may take others."""

    code = "undelivered"

    def __init__(self, message: str, *, reached: bool) -> None:
        super().__init__(message, next_step="Nothing: it is sent again by itself. Mend the receiver or its settings.")
        self.reached = reached


def sender(
    channel: Channel,
    *,
    project: str,
    words: Language,
    environment: Mapping[str, str],
    timeout_s: float = TIMEOUT_S,
    console: IO[str] | None = None,
    trust: ssl.SSLContext | None = None,
) -> Send:
    """What sends to a channel; `words` is the language of its texts, `environment` holds the values of `${NAME}`, and
    `trust` replaces the system's roots.
    """

    def send(alert: Alert, delivery: Delivery, now: datetime) -> None:
        if channel.kind == "console":
            print(text(alert, words), file=console or sys.stderr, flush=True)
            return
        secret = _value(channel.secret, environment)
        url = _value(channel.url, environment) or PAGERDUTY
        if channel.kind == "email":
            message = email(alert, delivery, channel.sender or "", channel.to, project, words)
            mail(url, message, timeout_s=timeout_s, trust=trust)
            return
        request = request_of(channel.kind, alert, delivery, project=project, secret=secret, now=now, words=words)
        if channel.kind == "alertmanager" and not _place(url, ("https", "http")).path.endswith("/alerts"):
            url = url.rstrip("/") + "/api/v2/alerts"
        post(url, request, timeout_s=timeout_s, trust=trust)

    return send


def post(url: str, request: Request, *, timeout_s: float, trust: ssl.SSLContext | None = None) -> None:
    """One POST; any 2xx is a yes. Redirects are not followed: they would carry the alert where nobody said.

    Raises Undelivered; the URL, which may hold a secret, is not in it.
    """
    place = _place(url, ("https", "http"))
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=trust))
    headers = {"User-Agent": "rondo", **request.headers}
    try:
        if place.username:
            user = f"{unquote(place.username)}:{unquote(place.password or '')}"
            headers["Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
            url = urlunsplit(place._replace(netloc=place.netloc.rpartition("@")[2]))
        asked = urllib.request.Request(url, data=request.body, headers=headers, method="POST")
        with opener.open(asked, timeout=timeout_s) as answer:
            answer.read(_READ)
    except urllib.error.HTTPError as error:
        with error:
            raise Undelivered(f"The receiver answered {error.code}.", reached=True) from None
    except urllib.error.URLError as error:
        raise Undelivered(f"The receiver is not there: {_cause(error.reason)}.", reached=False) from None
    except (OSError, HTTPException, ValueError) as error:
        raise Undelivered(f"The receiver did not answer: {_cause(error)}.", reached=False) from None


def mail(url: str, message: EmailMessage, *, timeout_s: float, trust: ssl.SSLContext | None = None) -> None:
    """One message over smtps:// (TLS from the start) or smtp:// (STARTTLS, which must work). Raises Undelivered."""
    place = _place(url, ("smtps", "smtp"))
    host, port, user = place.hostname or "", place.port, place.username
    trust = trust or ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(host, port or 465, timeout=timeout_s, context=trust)
            if place.scheme == "smtps"
            else smtplib.SMTP(host, port or 587, timeout=timeout_s)
        ) as server:
            if place.scheme == "smtp":
                server.starttls(context=trust)
            if user:
                server.login(unquote(user), unquote(place.password or ""))
            refused = server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise Undelivered(f"The mail server answered {error.smtp_code}.", reached=True) from None
    except smtplib.SMTPRecipientsRefused:
        raise Undelivered("The mail server takes mail for none of these addresses.", reached=True) from None
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise Undelivered(f"The mail server is not there: {_cause(error)}.", reached=False) from None
    if refused:
        raise Undelivered(f"The mail server refused {len(refused)} of the addresses.", reached=True)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def _place(url: str, schemes: Sequence[str]) -> SplitResult:
    """The parts of an address. Raises Undelivered, which does not show it."""
    try:
        place = urlsplit(url)
        if place.scheme in schemes and place.hostname and (place.port is None or place.port):
            return place
    except ValueError:
        pass
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    raise Undelivered(f"Its URL is none that begins with {wanted}.", reached=True)


def _value(written: str | None, environment: Mapping[str, str]) -> str | None:
    """The value of `${NAME}`. Raises Undelivered while it is not set."""
    found = ENVIRONMENT.fullmatch(written) if written else None
    if found is None:
        return None
    if not environment.get(found[1]):
        raise Undelivered(f"{found[0]} is not set in the environment.", reached=True)
    return environment[found[1]]


def _cause(error: object) -> str:
    """The kind of fault, and what the system calls it: never its text, which may quote an address."""
    if isinstance(error, ssl.SSLError):  # its text names the host
        return f"TLS, {error.reason}"
    told = error.strerror if isinstance(error, OSError) and error.strerror else None
    return f"{type(error).__name__}, {told}" if told else type(error).__name__
