"""Deliveries at least once: what is due in the ledger goes to its channels, and a record says how far each has come.

A delivery is recorded before an attempt and after it. Who finds `sending` with no end for longer than any attempt
takes knows that its sender died, and sends it again: twice perhaps, never not at all. Each channel has a thread of its
own and every wait an end, so that a dead receiver holds up neither the others nor the monitor. On a channel the changes
of an alert arrive in their order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Literal

import msgspec

from rondo.errors import RondoError, StoreError
from rondo.monitor.alerting import is_silenced, silences
from rondo.monitor.channels import Send, Undelivered
from rondo.records.monitoring import Alert, Delivery, Silence
from rondo.store.ledger import Entry, Ledger

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
GIVES_UP_AFTER = timedelta(days=3)
LONGEST_ATTEMPT = timedelta(seconds=60)
"""An attempt that has lasted longer is taken to be dead."""
_OVER = frozenset({"delivered", "dropped", "given_up"})


@dataclass(frozen=True)
class _Pending:
    delivery: Delivery
    alert: Alert


class Outbox:
    """What is still to be delivered. It reads the ledger once and then only what is new.

    `senders` by channel; `clock` is the wall's; `by` signs the records.
    """

    def __init__(
        self,
        ledger: Ledger,
        senders: Mapping[str, Send],
        *,
        clock: Callable[[], datetime],
        by: str,
        longest_attempt: timedelta = LONGEST_ATTEMPT,
    ) -> None:
        self._ledger, self._senders, self._clock, self._by = ledger, dict(senders), clock, by
        self._longest_attempt = longest_attempt
        self._seen = 0
        self._open: dict[str, Entry[Delivery]] = {}
        self._untold: set[tuple[str, str]] = set()
        self._busy: dict[str, tuple[threading.Thread, float]] = {}

    def deliver(self, *, wait_s: float = 30.0) -> int:
        """One pass over what is due; gives how many deliveries are still to be made, those of later included.

        Waits for the channels until `wait_s` is over; one that hangs goes on by itself.
        """
        self._read()
        queues: dict[str, list[_Pending]] = {}
        for pending in self._ready(self._clock()):
            queues.setdefault(pending.delivery.name, []).append(pending)
        until = monotonic() + wait_s
        for channel, queue in queues.items():
            if not self._is_busy(channel):
                # A daemon: whoever stops must not wait for a receiver that hangs.
                thread = threading.Thread(target=self._work, args=(channel, queue), daemon=True)
                self._busy[channel] = thread, monotonic()
                thread.start()
        for thread, _ in list(self._busy.values()):
            thread.join(max(0.0, until - monotonic()))
        self._read()
        return len(self._open)

    def keep_delivering(self, stop: threading.Event, *, every_s: float = 1.0) -> None:
        """Passes until `stop` is set. A ledger that does not answer is asked again."""
        while not stop.is_set():
            with suppress(StoreError):  # what is due stays due
                self.deliver(wait_s=every_s)
            stop.wait(every_s)

    def _read(self) -> None:
        for entry in self._ledger.entries(Delivery, after=self._seen):
            self._seen = entry.seq
            delivery, chain = entry.record, (entry.record.name, entry.record.alert)
            if delivery.state in _OVER:
                self._open.pop(delivery.id, None)
                (self._untold.add if delivery.state == "dropped" else self._untold.discard)(chain)
            else:
                self._open[delivery.id] = entry

    def _ready(self, now: datetime) -> list[_Pending]:
        """The first open delivery of each alert on each channel, where its time has come, oldest first."""
        first: dict[tuple[str, str], Entry[Delivery]] = {}
        for entry in self._open.values():
            key = entry.record.name, entry.record.alert
            if key not in first or entry.record.number < first[key].record.number:
                first[key] = entry
        waiting = [entry for entry in first.values() if self._has_come(entry, now)]
        if not waiting:
            return []
        known = silences(self._ledger)
        found = []
        for entry in sorted(waiting, key=lambda each: (each.record.due, each.record.id)):
            pending = _Pending(entry.record, self._alert(entry.record))
            if self._is_moot(pending, known):
                self._write(pending.delivery, "dropped", problem="silenced until it was over")
            elif not is_silenced(pending.alert, known, now):
                found.append(pending)
        return found

    def _has_come(self, entry: Entry[Delivery], now: datetime) -> bool:
        delivery = entry.record
        if delivery.name not in self._senders:
            return False  # another process may have this channel
        if delivery.state == "sending":
            return now - entry.written >= self._longest_attempt
        return delivery.next is None or delivery.next <= now

    def _is_moot(self, pending: _Pending, known: Sequence[Silence]) -> bool:
        """Whether a silence kept the alert from everybody until it was over: then nobody is told its end either."""
        delivery, alert = pending.delivery, pending.alert
        if delivery.attempt:
            return False
        if (delivery.name, alert.id) in self._untold:
            return alert.event in ("acknowledged", "resolved")
        newest = self._ledger.latest(Alert, where={"id": alert.id})
        over = newest is not None and newest.record.state == "resolved"
        return over and alert.event in ("opened", "reopened") and is_silenced(alert, known, delivery.due)

    def _alert(self, delivery: Delivery) -> Alert:
        found = self._ledger.latest(Alert, where={"id": delivery.alert, "number": delivery.number})
        if found is None:
            raise StoreError(f"The ledger has no change {delivery.number} of alert {delivery.alert}.")
        return found.record

    def _is_busy(self, channel: str) -> bool:
        """Whether its thread is at work, and not hanging in one attempt."""
        thread, since = self._busy.get(channel, (None, 0.0))
        return thread is not None and thread.is_alive() and monotonic() - since < self._longest_attempt.total_seconds()

    def _work(self, channel: str, queue: Sequence[_Pending]) -> None:
        """One channel's deliveries. The first time that nobody is there ends it: the rest would wait as long."""
        own = threading.current_thread()
        with suppress(StoreError):  # what was not recorded is sent again
            for pending in queue:
                if self._busy[channel][0] is not own:
                    return  # it hung for so long that another took over
                self._busy[channel] = own, monotonic()
                if not self._attempt(channel, pending):
                    return

    def _attempt(self, channel: str, pending: _Pending) -> bool:
        """Sends one delivery; gives whether the receiver was there."""
        attempt = pending.delivery.attempt + 1
        claimed = self._write(pending.delivery, "sending", attempt=attempt)
        try:
            self._senders[channel](pending.alert, claimed, self._clock())
        except Undelivered as error:
            self._failed(claimed, error.message)
            return error.reached
        except RondoError as error:
            self._failed(claimed, error.message)
        except Exception as error:  # a defect of one channel or message must not end the others
            self._failed(claimed, f"{type(error).__name__} while sending.")
        else:
            self._write(claimed, "delivered")
        return True

    def _failed(self, delivery: Delivery, problem: str) -> None:
        now = self._clock()
        if now - delivery.due >= GIVES_UP_AFTER:
            self._write(delivery, "given_up", problem=problem)
        else:
            self._write(delivery, "failed", problem=problem, again=now + wait_after(delivery.attempt))

    def _write(
        self,
        delivery: Delivery,
        state: Literal["sending", "delivered", "failed", "dropped", "given_up"],
        *,
        attempt: int | None = None,
        problem: str | None = None,
        again: datetime | None = None,
    ) -> Delivery:
        after = msgspec.structs.replace(
            delivery, state=state, attempt=delivery.attempt if attempt is None else attempt, problem=problem, next=again
        )
        self._ledger.append(after, by=self._by)
        return after


def wait_after(attempt: int) -> timedelta:
    """How long after the `attempt`-th failure the next comes: twice as long each time, up to LONGEST_WAIT."""
    return min(FIRST_WAIT * (1 << min(attempt - 1, 20)), LONGEST_WAIT)
