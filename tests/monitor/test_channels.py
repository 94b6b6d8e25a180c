from __future__ import annotations

import email
import io
import json
import os
import re
import socket
from datetime import UTC, datetime, timedelta
from email import policy
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import pytest

from rondo.errors import DeclarationError
from rondo.monitor.alerting import ENGLISH
from rondo.monitor.channels import Undelivered, sender
from rondo.monitor.messages import Request, is_signed, text
from rondo.project.channels import Channel, chosen
from rondo.project.settings import read_settings
from rondo.records.monitoring import Alert, Cause, Delivery

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
ALERT = Alert(
    name="stale", id="a1b2c3", model="late", number=1, event="opened", state="open", since=NOW, changed=NOW,
    severity="critical", summary="weather <stopped> & 기상", about=["weather"], diagnosis="data",
    causes=[Cause(what="source weather_raw", share=0.9), Cause(what="network")], owner="Mia",
    runbook="docs/runbook.md#data", steps=["rondo show weather_raw"], rollback="rondo rollback late",
)  # fmt: skip
OVER = msgspec.structs.replace(ALERT, event="resolved", state="resolved", number=3, changed=NOW + timedelta(hours=1))
DELIVERY = Delivery(name="hook", id="a1b2c3-1-hook", alert="a1b2c3", number=1, state="sending", due=NOW)
SECRET = "s3cr3t-of-hook"


def send(kind: str, url: str, alert: Alert = ALERT, *, timeout_s: float = 5, trust=None) -> None:
    hook = Channel("hook", kind, "${URL}", "${SECRET}", ("oncall@example.com",), "rondo@example.com")  # type: ignore[arg-type]
    values = {"URL": url, "SECRET": SECRET}
    sender(hook, project="flights", words=ENGLISH, environment=values, timeout_s=timeout_s, trust=trust)(
        alert, DELIVERY, NOW
    )


def test_the_console_tells_all_that_is_known() -> None:
    out = io.StringIO()
    sender(Channel("console", "console"), project="flights", words=ENGLISH, environment={}, console=out)(
        ALERT, DELIVERY, NOW
    )
    told = out.getvalue()
    assert told == text(ALERT, ENGLISH) + "\n"
    for part in ("source weather_raw (90%), network", "owner: Mia", "1. rondo show weather_raw", "rondo rollback late"):
        assert part in told
    bare = msgspec.structs.replace(ALERT, diagnosis=None, causes=[], owner=None, runbook=None, steps=[], rollback=None)
    assert "None" not in text(bare, ENGLISH) and "rollback" not in text(OVER, ENGLISH)


def test_a_webhook_is_a_signed_cloud_event(http_receiver) -> None:
    with http_receiver() as inbox:
        send("webhook", inbox.url + "/in?key=1")
    [(path, headers, body)] = inbox.got
    event = json.loads(body)
    assert path == "/in?key=1"
    assert headers["Content-Type"].startswith("application/cloudevents+json")
    assert {"specversion", "id", "source", "type"} <= set(event)
    assert (event["specversion"], event["id"], event["type"]) == ("1.0", DELIVERY.id, "rondo.alert.opened")
    assert datetime.fromisoformat(event["time"]) == NOW
    assert event["data"]["causes"][0] == {"what": "source weather_raw", "share": 0.9}
    assert SECRET not in body.decode() + str(headers)
    got = Request(body, headers)
    assert is_signed(got, SECRET, NOW) and is_signed(got, SECRET, NOW + timedelta(seconds=300))
    assert not is_signed(got, "other", NOW)
    assert not is_signed(got, SECRET, NOW + timedelta(seconds=301))
    assert not is_signed(Request(body + b" ", headers), SECRET, NOW)
    assert not is_signed(Request(body, headers | {"Rondo-Timestamp": "1704164646"}), SECRET, NOW)
    assert not is_signed(Request(body, {}), SECRET, NOW)


def test_slack_reads_text_with_its_own_characters_escaped(http_receiver) -> None:
    with http_receiver() as inbox:
        send("slack", inbox.url)
    document = json.loads(inbox.got[0][2])
    assert list(document) == ["text"]
    assert "weather &lt;stopped&gt; &amp; 기상" in document["text"]


@pytest.mark.parametrize(
    ("event", "state", "action"),
    [
        ("opened", "open", "trigger"),
        ("worsened", "open", "trigger"),
        ("acknowledged", "acknowledged", "acknowledge"),
        ("resolved", "resolved", "resolve"),
    ],
)
def test_pagerduty_joins_by_the_alert(http_receiver, event: str, state: str, action: str) -> None:
    with http_receiver() as inbox:
        send("pagerduty", inbox.url, msgspec.structs.replace(ALERT, event=event, state=state, summary="x" * 2000))
    document = json.loads(inbox.got[0][2])
    assert (document["event_action"], document["dedup_key"], document["routing_key"]) == (action, "a1b2c3", SECRET)
    assert document["payload"]["severity"] == "critical" and document["payload"]["source"] == "rondo/flights"
    assert len(document["payload"]["summary"]) == 1024


def test_alertmanager_is_told_the_end_under_the_same_labels(http_receiver) -> None:
    with http_receiver() as inbox:
        send("alertmanager", inbox.url.replace("//", "//mia:p%40w@") + "/")
        send("alertmanager", inbox.url + "/api/v2/alerts", OVER)
    (path, headers, first), (again, _, second) = inbox.got
    assert path == again == "/api/v2/alerts"
    assert headers["Authorization"] == "Basic bWlhOnBAdw=="
    [opened], [over] = json.loads(first), json.loads(second)
    assert opened["labels"] == over["labels"] and opened["labels"]["alertname"] == "stale"
    assert datetime.fromisoformat(opened["endsAt"]) > NOW and datetime.fromisoformat(over["endsAt"]) == OVER.changed
    assert all(isinstance(value, str) for value in opened["annotations"].values())


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_mail_goes_over_tls_and_keeps_its_thread(smtp_receiver, certificate, scheme: str) -> None:
    server, trust = certificate
    with smtp_receiver(server, implicit=scheme == "smtps") as box:
        send("email", f"{scheme}://mia:p%40w@127.0.0.1:{box.port}", trust=trust)
    message = email.message_from_bytes(box.mails[0], policy=policy.default)
    assert message["To"] == "oncall@example.com" and message["From"] == "rondo@example.com"
    assert message["Message-ID"] == "<a1b2c3-1-hook@example.com>" and message["References"] == "<a1b2c3@example.com>"
    assert "기상" in message["Subject"] and "1. rondo show weather_raw" in message.get_content()
    said = [line.split()[0].upper() for line in box.said]
    assert "AUTH" in said
    assert scheme == "smtps" or said.index("STARTTLS") < said.index("AUTH")


def test_mail_is_not_sent_in_the_open_nor_to_whom_nobody_trusts(smtp_receiver, certificate) -> None:
    server, trust = certificate
    with smtp_receiver(server, starttls=False) as box:
        with pytest.raises(Undelivered):
            send("email", f"smtp://mia:pw@127.0.0.1:{box.port}", trust=trust)
        assert not box.mails and not any("AUTH" in line for line in box.said)
    with smtp_receiver(server) as box:
        with pytest.raises(Undelivered, match="TLS, CERTIFICATE_VERIFY_FAILED"):
            send("email", f"smtp://mia:pw@127.0.0.1:{box.port}")
        assert not box.mails
    with smtp_receiver(server, rejects=True) as box, pytest.raises(Undelivered, match="none of these"):
        send("email", f"smtp://127.0.0.1:{box.port}", trust=trust)


@pytest.mark.parametrize(("answer", "said"), [(500, "answered 500"), (404, "answered 404"), (302, "answered 302")])
def test_a_receiver_that_refuses_is_told_from_one_that_is_not_there(http_receiver, answer: int, said: str) -> None:
    with http_receiver(lambda n: answer) as inbox:
        with pytest.raises(Undelivered, match=said) as refused:
            send("webhook", inbox.url)
        assert len(inbox.got) == 1, "a redirect is not followed"
    assert refused.value.reached


def test_a_receiver_that_is_not_there_or_hangs(http_receiver) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Undelivered, match="not there") as gone:
            send("webhook", f"http://127.0.0.1:{unused.getsockname()[1]}/{SECRET}")
    assert not gone.value.reached and SECRET not in str(gone.value)
    with http_receiver(lambda n: 30.0) as inbox:
        began = monotonic()
        with pytest.raises(Undelivered) as hung:
            send("slack", inbox.url, timeout_s=0.2)
    assert not hung.value.reached and monotonic() - began < 3


@pytest.mark.parametrize(
    "url", [f"file:///{SECRET}", f"http://[{SECRET}", f"http://x/ {SECRET}", f"smtp://{SECRET}", ""]
)
@pytest.mark.parametrize("kind", ["webhook", "email"])
def test_no_error_shows_an_address_or_a_secret(url: str, kind: str, monkeypatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror(-2, "Unknown")))
    with pytest.raises(Undelivered) as wrong:
        send(kind, url)
    assert SECRET not in wrong.value.message + repr(wrong.value.__cause__)
    assert wrong.value.__suppress_context__ or wrong.value.__context__ is None


HEAD = '[project]\nname = "p"\n'
HOOK = HEAD + '[alerts]\nchannels = ["hook"]\n[alerts.hook]\nkind = "webhook"\n'


def test_channels_are_declared_and_their_secrets_stay_where_they_are(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOOK_URL", "https://example.com/" + SECRET)
    (tmp_path / "rondo.toml").write_text(HOOK + 'url = "${HOOK_URL}"\nsecret = "${NOT_SET}"\n')
    settings = read_settings(tmp_path)
    [channel] = chosen(settings.channels, settings.declared_channels)
    assert channel == Channel("hook", "webhook", "${HOOK_URL}", "${NOT_SET}")
    assert SECRET not in repr(settings)
    with pytest.raises(Undelivered, match=r"\$\{NOT_SET\} is not set"):
        sender(channel, project="p", words=ENGLISH, environment=os.environ)(ALERT, DELIVERY, NOW)
    with pytest.raises(DeclarationError, match="names 'mail', which is not declared; there are: console, hook"):
        chosen(["console", "mail"], settings.declared_channels)


@pytest.mark.parametrize(
    ("written", "line", "said"),
    [
        (HOOK + f'url = "https://x/{SECRET}"\nsecret = "${{S}}"\n', 7, "stands in the file itself"),
        (HOOK + f'url = "${{U}}"\nsecret = "{SECRET}"\n', 8, "stands in the file itself"),
        (HOOK + 'url = "${U}"\n', 5, "secret is missing: webhook needs url and secret"),
        (HOOK + 'colour = "red"\n', 7, "colour is unknown; there are: kind, url, secret"),
        (HEAD + '[alerts.hook]\nkind = "pigeon"\n', 4, "is 'pigeon', not one of webhook"),
        (HEAD + '[alerts.console]\nkind = "slack"\n', 4, "always there"),
        (HEAD + '[alerts.m]\nkind = "email"\nurl = "${U}"\nto = "a@b"\nsender = "c@d"\n', 6, "no list of e-mail"),
        (HEAD + '[alerts.m]\nkind = "email"\nurl = "${U}"\nto = []\nsender = "c@d"\n', 6, "names nobody"),
        (
            HEAD + '[alerts.m]\nkind = "email"\nurl = "${U}"\nto = ["a@b"]\nsender = "c\\nTo: d@e"\n',
            7,
            "no e-mail address",
        ),
    ],
)
def test_a_channel_that_cannot_be_read_names_its_line(tmp_path, written: str, line: int, said: str) -> None:
    (tmp_path / "rondo.toml").write_text(written)
    with pytest.raises(DeclarationError, match=said) as refused:
        read_settings(tmp_path)
    assert refused.value.line == line
    assert SECRET not in refused.value.message


def test_the_page_shows_channels_that_read_and_a_check_that_holds(http_receiver, tmp_path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "alerts.md").read_text()
    [toml], [python] = (re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL) for language in ("toml", "python"))
    (tmp_path / "rondo.toml").write_text(HEAD + toml)
    settings = read_settings(tmp_path)
    kinds = [channel.kind for channel in chosen(settings.channels, settings.declared_channels)]
    assert kinds == ["console", "webhook", "slack", "email", "pagerduty", "alertmanager"]
    scope: dict[str, Any] = {}
    exec(python, scope)
    with http_receiver() as inbox:
        send("webhook", inbox.url)
    [(_, headers, body)] = inbox.got
    assert scope["is_from_rondo"](headers, body, SECRET, NOW.timestamp())
    assert not scope["is_from_rondo"](headers, body, "other", NOW.timestamp())
    assert not scope["is_from_rondo"](headers, body, SECRET)
