from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rondo.monitor.alerting import ENGLISH, Finding, newest_alerts, record, resolve, settle
from rondo.monitor.channels import Send, sender
from rondo.monitor.delivering import GIVES_UP_AFTER, LONGEST_WAIT, Outbox, wait_after
from rondo.project.channels import Channel
from rondo.records.monitoring import Alert, Delivery, Silence
from rondo.store.ledger import Ledger, open_ledger

NOW = datetime(2024, 1, 1, tzinfo=UTC)
HOOK = Channel("hook", "webhook", "${URL}", "${SECRET}")
OTHER = Channel("other", "slack", "${OTHER}")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    yield open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock, wall=clock)


def to(channel: Channel, url: str, *, timeout_s: float = 0.3) -> Send:
    return sender(
        channel, project="p", words=ENGLISH, environment={"URL": url, "OTHER": url, "SECRET": "s"}, timeout_s=timeout_s
    )


def raised(ledger: Ledger, clock: Clock, *rules: str, channels: tuple[Channel, ...] = (HOOK,)) -> list[Alert]:
    findings = [Finding(model="late", rule=rule, about="weather", summary="it stopped") for rule in rules]
    changes = settle(findings, [], newest_alerts(ledger), clock())
    record(ledger, changes, channels, by="monitor", now=clock())
    return changes


def ended(ledger: Ledger, clock: Clock, alert: Alert) -> None:
    record(ledger, [resolve(alert, "Mia", clock())], [HOOK], by="Mia", now=clock())


def states(ledger: Ledger) -> list[str]:
    return [entry.record.state for entry in ledger.entries(Delivery)]


def ids(bodies: list[bytes]) -> list[str]:
    return [json.loads(body)["id"] for body in bodies]


def test_a_receiver_that_fails_twice_is_asked_a_third_time(http_receiver, ledger: Ledger, clock: Clock) -> None:
    [alert] = raised(ledger, clock, "stale")
    with http_receiver(lambda n: 503 if n < 2 else 202) as inbox:
        outbox = Outbox(ledger, {"hook": to(HOOK, inbox.url)}, clock=clock, by="monitor")
        left = [outbox.deliver()]
        left.append(outbox.deliver())
        assert len(inbox.got) == 1, "not before its time"
        for _ in range(2):
            clock.forward(seconds=10)
            left.append(outbox.deliver())
        assert left == [1, 1, 1, 0]
        assert ids([body for _, _, body in inbox.got]) == [f"{alert.id}-1-hook"] * 3
        outbox.deliver()
        assert len(inbox.got) == 3
    assert states(ledger) == ["due", "sending", "failed", "sending", "failed", "sending", "delivered"]
    assert ledger.entries(Delivery)[2].record.problem == "The receiver answered 503."


def test_a_receiver_that_hangs_holds_up_nobody(http_receiver, ledger: Ledger, clock: Clock) -> None:
    raised(ledger, clock, "a", "b", "c", channels=(HOOK, OTHER))
    with http_receiver(lambda n: 30.0) as hangs, http_receiver() as works:
        senders = {"hook": to(HOOK, hangs.url, timeout_s=20), "other": to(OTHER, works.url)}
        outbox = Outbox(ledger, senders, clock=clock, by="monitor")
        began = time.monotonic()
        assert outbox.deliver(wait_s=0.5) == 3
        assert outbox.deliver(wait_s=0.1) == 3
        assert time.monotonic() - began < 3
        assert len(works.accepted) == 3 and len(hangs.got) == 1


def test_a_thread_that_hangs_too_long_is_left_behind(http_receiver, ledger: Ledger, clock: Clock) -> None:
    raised(ledger, clock, "a", "b", "c")
    with http_receiver(lambda n: 0.6 if n == 0 else 200) as inbox:
        senders = {"hook": to(HOOK, inbox.url, timeout_s=20)}
        outbox = Outbox(ledger, senders, clock=clock, by="monitor", longest_attempt=timedelta(seconds=0.3))
        assert outbox.deliver(wait_s=0.4) == 3
        clock.forward(seconds=1)
        assert outbox.deliver() == 0
        time.sleep(0.5)
        assert len(inbox.got) == 4 and len(inbox.accepted) == len(set(ids(inbox.accepted))) == 3


def test_one_message_that_is_refused_holds_up_no_other(http_receiver, ledger: Ledger, clock: Clock) -> None:
    raised(ledger, clock, "a", "b", "c")
    with http_receiver(lambda n: 400 if n == 0 else 200) as inbox:
        assert Outbox(ledger, {"hook": to(HOOK, inbox.url)}, clock=clock, by="monitor").deliver() == 1
        assert len(inbox.accepted) == 2


def test_a_receiver_that_is_gone_is_asked_once_a_pass(http_receiver, ledger: Ledger, clock: Clock) -> None:
    raised(ledger, clock, "a", "b", "c")
    with http_receiver() as inbox:
        pass
    assert Outbox(ledger, {"hook": to(HOOK, inbox.url)}, clock=clock, by="monitor").deliver() == 3
    assert states(ledger).count("sending") == 1


def test_the_changes_of_an_alert_arrive_in_their_order(http_receiver, ledger: Ledger, clock: Clock) -> None:
    [alert] = raised(ledger, clock, "stale")
    ended(ledger, clock, alert)
    with http_receiver(lambda n: 500 if n == 0 else 200) as inbox:
        outbox = Outbox(ledger, {"hook": to(HOOK, inbox.url)}, clock=clock, by="monitor")
        for _ in range(3):
            outbox.deliver()
            clock.forward(seconds=10)
        assert ids(inbox.accepted) == [f"{alert.id}-1-hook", f"{alert.id}-2-hook"]


def test_who_died_while_sending_leaves_it_to_the_next(http_receiver, ledger: Ledger, clock: Clock) -> None:
    [alert] = raised(ledger, clock, "stale")
    [due] = [entry.record for entry in ledger.entries(Delivery)]
    ledger.append(
        Delivery(name="hook", id=due.id, alert=alert.id, number=1, state="sending", due=NOW, attempt=1), by="m"
    )
    with http_receiver() as inbox:
        outbox = Outbox(ledger, {"hook": to(HOOK, inbox.url)}, clock=clock, by="monitor")
        assert outbox.deliver() == 1 and not inbox.got, "it may live"
        clock.forward(seconds=60)
        assert outbox.deliver() == 0 and ids(inbox.accepted) == [due.id]


def test_it_gives_up_after_days_and_says_so(http_receiver, ledger: Ledger, clock: Clock) -> None:
    raised(ledger, clock, "stale")
    with http_receiver(lambda n: 500) as inbox:
        outbox = Outbox(ledger, {"hook": to(HOOK, inbox.url)}, clock=clock, by="monitor")
        outbox.deliver()
        clock.now = NOW + GIVES_UP_AFTER
        assert outbox.deliver() == 0
    assert states(ledger)[-1] == "given_up"


def silence(ledger: Ledger, clock: Clock, hours: float) -> None:
    until = clock() + timedelta(hours=hours)
    ledger.append(Silence(name="late", start=clock(), until=until, who="Mia", because="move", model="late"), by="Mia")


def test_what_is_silenced_is_told_when_it_still_stands(http_receiver, ledger: Ledger, clock: Clock) -> None:
    silence(ledger, clock, 1)
    [alert] = raised(ledger, clock, "stale")
    with http_receiver() as inbox:
        outbox = Outbox(ledger, {"hook": to(HOOK, inbox.url)}, clock=clock, by="monitor")
        assert outbox.deliver() == 1 and not inbox.got
        clock.forward(hours=1)
        assert outbox.deliver() == 0
        assert ids(inbox.accepted) == [f"{alert.id}-1-hook"]


def test_what_began_in_a_silence_and_is_over_is_never_told(http_receiver, ledger: Ledger, clock: Clock) -> None:
    silence(ledger, clock, 1)
    [alert] = raised(ledger, clock, "stale")
    clock.forward(hours=2)
    ended(ledger, clock, alert)
    with http_receiver() as inbox:
        for _ in range(2):
            left = Outbox(ledger, {"hook": to(HOOK, inbox.url)}, clock=clock, by="monitor").deliver()
        assert left == 0 and not inbox.got
    assert states(ledger) == ["due", "due", "dropped", "dropped"]


def test_a_defect_of_a_channel_is_a_failure_of_its_delivery(ledger: Ledger, clock: Clock) -> None:
    raised(ledger, clock, "stale")

    def broken(alert: Alert, delivery: Delivery, now: datetime) -> None:
        raise KeyError("secret text")

    assert Outbox(ledger, {"hook": broken}, clock=clock, by="monitor").deliver() == 1
    last = ledger.entries(Delivery)[-1].record
    assert (last.state, last.problem) == ("failed", "KeyError while sending.")


def test_the_waits_grow_to_an_end() -> None:
    waits = [wait_after(attempt) for attempt in range(1, 100)]
    assert waits == sorted(waits) and waits[0] == timedelta(seconds=5) and waits[-1] == LONGEST_WAIT


SENDER = """
import sys, threading
from datetime import UTC, datetime, timedelta
from rondo.monitor.alerting import ENGLISH
from rondo.monitor.channels import sender
from rondo.monitor.delivering import Outbox
from rondo.project.channels import Channel
from rondo.store.ledger import open_ledger

wall = lambda: datetime.now(UTC)
hook = sender(Channel("hook", "webhook", "${U}", "${S}"), project="p", words=ENGLISH, environment={"U": sys.argv[2], "S": "s"})
outbox = Outbox(open_ledger(sys.argv[1], clock=wall), {"hook": hook}, clock=wall, by="m",
                longest_attempt=timedelta(seconds=0.2))
print("up", flush=True)
outbox.keep_delivering(threading.Event(), every_s=0.05)
"""


def test_killing_the_sender_at_any_moment_loses_nothing(http_receiver, tmp_path: Path) -> None:
    url, rules = f"sqlite:///{tmp_path}/ledger.db", [f"rule{n}" for n in range(60)]
    ledger = open_ledger(url, clock=lambda: datetime.now(UTC))
    alerts = raised(ledger, lambda: datetime.now(UTC), *rules)  # type: ignore[arg-type]
    wanted, moments, kills = {f"{alert.id}-1-hook" for alert in alerts}, random.Random(4), 0

    def answer(n: int) -> int:
        time.sleep(0.005)
        return 500 if n == 3 else 200

    with http_receiver(answer) as inbox:
        until = time.monotonic() + 60
        while True:
            with subprocess.Popen([sys.executable, "-c", SENDER, url, inbox.url], stdout=subprocess.PIPE) as child:
                assert child.stdout is not None and child.stdout.readline() == b"up\n"
                if kills == 5:
                    while "delivered" not in newest_states(ledger) or len(newest_states(ledger)) > 1:
                        assert time.monotonic() < until
                        time.sleep(0.05)
                else:
                    time.sleep(moments.uniform(0.02, 0.25))
                child.kill()
            kills += 1
            if kills == 6:
                break
        got = ids(inbox.accepted)
    assert set(got) == wanted
    assert len(got) <= len(wanted) + 5, "a kill repeats the one in hand at most"


def newest_states(ledger: Ledger) -> set[str]:
    return set({entry.record.id: entry.record.state for entry in ledger.entries(Delivery)}.values())


def test_it_delivers_what_comes_while_it_runs(http_receiver, tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=lambda: datetime.now(UTC))
    stop = threading.Event()
    with http_receiver() as inbox:
        outbox = Outbox(ledger, {"hook": to(HOOK, inbox.url)}, clock=lambda: datetime.now(UTC), by="monitor")
        thread = threading.Thread(target=outbox.keep_delivering, args=(stop,), kwargs={"every_s": 0.02})
        thread.start()
        try:
            raised(ledger, lambda: datetime.now(UTC), "a", "b")  # type: ignore[arg-type]
            until = time.monotonic() + 10
            while len(inbox.accepted) < 2 and time.monotonic() < until:
                time.sleep(0.01)
        finally:
            stop.set()
            thread.join(5)
    assert len(inbox.accepted) == 2 and not thread.is_alive()
