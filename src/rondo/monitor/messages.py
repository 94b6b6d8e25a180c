"""An alert as each kind of receiver reads it: pure functions from the alert to a request's bytes, or to an e-mail.

CloudEvents 1.0.2 (structured mode), PagerDuty Events API v2, Alertmanager API v2, Slack incoming webhooks, RFC 5322.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256

import msgspec

from rondo.errors import Broken
from rondo.language.words import Language
from rondo.monitor.alerting import document
from rondo.monitor.rules import FEATURE
from rondo.records.monitoring import Alert, Delivery

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
STANDS_FOR = timedelta(days=7)
"""How long Alertmanager takes an alert to stand if it hears no more of it: it is told when it is over."""
TOLERANCE_S = 300
"""How far a signature's time may be from the receiver's."""
_PRESSED = {"opened": "trigger", "reopened": "trigger", "worsened": "trigger"}
_STANDS = {"open": "trigger", "acknowledged": "acknowledge", "resolved": "resolve"}


@dataclass(frozen=True)
class Request:
    """A POST of JSON."""

    body: bytes
    headers: Mapping[str, str]


def text(alert: Alert, words: Language) -> str:
    """The alert for people: what, who, why, what to do; a line each, what is not known left out."""
    lines = [
        title(alert, words),
        words.plain("since {at}, alert {id}", at=_moment(alert.since, words), id=alert.id),
        *_known(alert, words),
    ]
    if alert.state != "resolved":
        lines += [f"{number}. {step}" for number, step in enumerate(alert.steps, 1)]
        lines += [words.plain("undo the release: {command}", command=alert.rollback)] if alert.rollback else []
    return "\n".join(lines)


def _known(alert: Alert, words: Language) -> Iterator[str]:
    """A line for each thing that is known of it."""
    if alert.diagnosis:
        yield words.plain("diagnosis: {of}", of=words.known(alert.diagnosis))
    if alert.causes:
        shares = [f" ({cause.share:.0%})" if cause.share is not None else "" for cause in alert.causes]
        causes = ", ".join(cause.what + share for cause, share in zip(alert.causes, shares, strict=True))
        yield words.plain("causes: {causes}", causes=causes)
    if alert.about:
        yield words.plain("about: {names}", names=", ".join(_thing(about, words) for about in alert.about))
    if alert.owner:
        yield words.plain("owner: {owner}", owner=alert.owner)
    if alert.by:
        yield words.plain("{state}: by {who}", state=words.known(alert.state), who=alert.by)
    if alert.runbook:
        yield words.plain("runbook: {place}", place=alert.runbook)


def _moment(at: datetime, words: Language) -> str:
    """UTC in English, whose readers may be anywhere; Korean in the project's timezone, as its summaries are."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if words.code == "en" else f"{words.moment(at)}({words.timezone})"


def _thing(about: str, words: Language) -> str:
    """What an alert is about, as a person reads it."""
    name = about.removeprefix(FEATURE)
    return about if name == about else words.plain("feature {name}", name=name)


def title(alert: Alert, words: Language) -> str:
    """One line."""
    state, severity, rule = (words.known(each) for each in (alert.state, alert.severity, alert.name))
    return f"[{state}] {severity}: {alert.model}, {rule}: {alert.summary}".replace("\n", " ")


def webhook(alert: Alert, delivery: Delivery, project: str, secret: str, now: datetime) -> Request:
    """A CloudEvent whose `id` stays the same however often it is sent, signed as it leaves at `now`."""
    event = {
        "specversion": "1.0",
        "id": delivery.id,
        "source": f"/rondo/{project}",
        "type": f"rondo.alert.{alert.event}",
        "subject": f"{alert.model}/{alert.name}",
        "time": alert.changed,
        "datacontenttype": "application/json",
        "data": document(alert),
    }
    body = msgspec.json.encode(event)
    stamp = str(int(now.timestamp()))
    return Request(
        body,
        {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "Rondo-Timestamp": stamp,
            "Rondo-Signature": f"v1={signature(body, stamp, secret)}",
        },
    )


def signature(body: bytes, stamp: str, secret: str) -> str:
    """HMAC-SHA256 (RFC 2104) in hex over the time, a point and the bytes: neither can be changed, or sent again later.

    `stamp` is whole seconds since 1970.
    """
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, sha256).hexdigest()


def is_signed(request: Request, secret: str, now: datetime) -> bool:
    """Whether a webhook's request was signed with `secret` not long ago: what a receiver asks, in constant time."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    stamp, signed = headers.get("rondo-timestamp", ""), headers.get("rondo-signature", "")
    wanted = f"v1={signature(request.body, stamp, secret)}"
    fresh = stamp.isdecimal() and abs(now.timestamp() - int(stamp)) <= TOLERANCE_S
    return hmac.compare_digest(wanted.encode(), signed.encode()) and fresh


def slack(alert: Alert, words: Language) -> Request:
    """`{"text"}`, as Slack, Mattermost and others take it; the three characters that Slack reads are escaped."""
    told = text(alert, words).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _json({"text": told})


def pagerduty(alert: Alert, project: str, routing_key: str, words: Language) -> Request:
    """An event whose `dedup_key` is the alert's id: PagerDuty itself joins repetitions, and ends what it began."""
    event: dict[str, object] = {
        "routing_key": routing_key,
        "event_action": _PRESSED.get(alert.event) or _STANDS[alert.state],
        "dedup_key": alert.id,
        "payload": {
            "summary": title(alert, words)[:1024],
            "source": f"rondo/{project}",
            "severity": alert.severity,
            "timestamp": alert.changed,
            "component": alert.model,
            "group": project,
            "class": alert.diagnosis or alert.name,
            "custom_details": document(alert),
        },
    }
    return _json(event)


def alertmanager(alert: Alert, project: str, now: datetime, words: Language) -> Request:
    """One alert by its labels, which never change while it stands: Alertmanager tells repetitions by them."""
    annotations = {
        "summary": alert.summary,
        "description": text(alert, words),
        "runbook_url": alert.runbook,
        "owner": alert.owner,
        "diagnosis": alert.diagnosis,
        "rollback": alert.rollback,
    }
    over = alert.state == "resolved"
    return _json(
        [
            {
                "labels": {"alertname": alert.name, "project": project, "model": alert.model, "alert_id": alert.id},
                "annotations": {name: value for name, value in annotations.items() if value},
                "startsAt": alert.since,
                "endsAt": alert.changed if over else now + STANDS_FOR,
            }
        ]
    )


def email(
    alert: Alert, delivery: Delivery, sender: str, to: tuple[str, ...], project: str, words: Language
) -> EmailMessage:
    """Plain text. The Message-ID stays the same however often it is sent; all changes of an alert are one thread."""
    host = sender.rpartition("@")[2]
    message = EmailMessage()
    message["From"], message["To"] = sender, ", ".join(to)
    message["Subject"] = f"[{project}] {title(alert, words)}"[:300]
    message["Date"] = format_datetime(alert.changed)
    message["Message-ID"] = f"<{delivery.id}@{host}>"
    message["References"] = f"<{alert.id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text(alert, words))
    return message


def request_of(
    kind: str, alert: Alert, delivery: Delivery, *, project: str, secret: str | None, now: datetime, words: Language
) -> Request:
    """The request of a channel that speaks HTTP. Raises Broken for a kind that does not."""
    if kind == "webhook":
        return webhook(alert, delivery, project, secret or "", now)
    if kind == "slack":
        return slack(alert, words)
    if kind == "pagerduty":
        return pagerduty(alert, project, secret or "", words)
    if kind == "alertmanager":
        return alertmanager(alert, project, now, words)
    raise Broken(f"A channel of kind {kind} takes no HTTP request.")


def _json(value: object) -> Request:
    return Request(msgspec.json.encode(value), {"Content-Type": "application/json"})
