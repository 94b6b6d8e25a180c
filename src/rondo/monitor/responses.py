"""What people do about alerts and incidents: seen, over, silenced, taken, closed, a remark, a step ticked.

Commands and the console call the same functions. Each reads and writes under one lock with the monitor, so that of two
people who do the same the second learns that it was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

from rondo.errors import WrongUse
from rondo.monitor import incidents
from rondo.monitor.alerting import acknowledge, alert_of, newest_alerts, record, resolve
from rondo.monitor.incidents import incidents_for, newest_incidents, timeline
from rondo.project.channels import chosen
from rondo.project.durations import seconds
from rondo.project.settings import Settings
from rondo.records.monitoring import Alert, Incident, Silence, Tick
from rondo.store.locks import held
from rondo.store.opening import Store


def changing(store: Store) -> AbstractContextManager[None]:
    """Holds off others who change alerts and incidents."""
    return held(store.folder / "locks" / "alerts.lock")


def acknowledge_alert(store: Store, settings: Settings, identity: str, *, by: str, now: datetime) -> Alert:
    """Somebody looks after it. Raises NotFound, and Refused when it is over or taken already."""
    with changing(store):
        seen = acknowledge(_alert(store, identity), by, now)
        _write(store, settings, [seen], by=by)
    return seen


def resolve_alert(store: Store, settings: Settings, identity: str, *, by: str, now: datetime) -> Alert:
    """Somebody says it is over. Raises NotFound, and Refused when it was over before."""
    with changing(store):
        over = resolve(_alert(store, identity), by, now)
        _write(store, settings, [over], by=by)
    return over


def silence(store: Store, identity: str | None, length: str, because: str | None, *, by: str) -> Silence:
    """Nobody is told of that alert's rule (of anything, without one) for a while; `0s` ends a silence.

    Raises NotFound, and WrongUse without a reason.
    """
    lasts_s = seconds(length, "--silence")
    if lasts_s and not (because or "").strip():
        raise WrongUse("A silence has a reason.", next_step='Add --because "…".')
    alert = _alert(store, identity) if identity else None
    now = datetime.now(UTC)  # deliveries are made in the wall's time, whatever clock the alerts have
    made = Silence(
        name=alert.model if alert else "all",
        start=now,
        until=now + timedelta(seconds=lasts_s),
        who=by,
        because=because or "ended",
        model=alert.model if alert else None,
        rule=alert.name if alert else None,
    )
    store.ledger.append(made, by=by)
    return made


def take_incident(store: Store, settings: Settings, identity: str, *, by: str, now: datetime) -> Incident:
    """Somebody works on it, and so has seen its alerts: they are acknowledged in the same transaction.

    Raises NotFound, and Refused when it is closed.
    """
    with changing(store):
        line = incidents.take(_incident(store, identity), by)
        seen = [each for each in newest_alerts(store.ledger) if each.id in line.alerts and each.state == "open"]
        _write(store, settings, [acknowledge(alert, by, now) for alert in seen], by=by, lines=[line])
    return line


def close_incident(store: Store, identity: str, learned: str, *, by: str) -> Incident:
    """Ends it with what was learned. Raises NotFound, Refused while an alert stands, WrongUse without a lesson."""
    with changing(store):
        line = incidents.close(_incident(store, identity), by, learned, newest_alerts(store.ledger))
        store.ledger.append(line, by=by)
    return line


def note_incident(store: Store, identity: str, text: str, *, by: str) -> Incident:
    """A remark in its timeline. Raises NotFound, Refused when it is closed, WrongUse without words."""
    if not text.strip():
        raise WrongUse("A note has words.", next_step='Write rondo note ID "…".')
    with changing(store):
        line = incidents.note(_incident(store, identity), by, text.strip())
        store.ledger.append(line, by=by)
    return line


def tick_step(store: Store, identity: str, step: str, *, done: bool, by: str) -> Tick:
    """A step of an alert's runbook is done, or is not after all. Raises NotFound for one that it has not."""
    made = incidents.tick(_alert(store, identity), step, done, by)
    store.ledger.append(made, by=by)
    return made


def _alert(store: Store, identity: str) -> Alert:
    return alert_of(newest_alerts(store.ledger), identity)


def _incident(store: Store, identity: str) -> Incident:
    return timeline(store.ledger, identity)[-1].record


def _write(
    store: Store, settings: Settings, changes: Sequence[Alert], *, by: str, lines: Sequence[Incident] = ()
) -> None:
    """Records changes of alerts that a person made, with their lines of incidents, told on the channels."""
    ledger = store.ledger
    known = newest_alerts(ledger)
    lines = lines or incidents_for(changes, newest_incidents(ledger), known)
    channels = chosen(settings.channels, settings.declared_channels)
    record(ledger, changes, channels, by=by, now=datetime.now(UTC), incidents=lines)
