"""The retrain policy: whether new data, or an alert, makes a model due.

Under `monthly`, `weekly` and `daily` a model is trained on new data once a period. Under `on alert` it is trained on
new data when an alert says that the model, not its data or service, has fallen behind the world: but never before its
cool-down since the last training has passed, and for an alert that an earlier training answered only where the version
of that training was not put to work. Alerts about data or service never train: more of what is broken mends nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rondo.deploy.rollout import roles
from rondo.monitor.alerting import newest_alerts, standing
from rondo.project.durations import written
from rondo.project.models import Model
from rondo.records.development import Version
from rondo.records.monitoring import Alert
from rondo.records.versions import model_version
from rondo.store.ledger import Entry, LedgerReader

ABOUT_MODELS = frozenset({"drift", "quality", "calibration"})
"""Rules whose alerts are about the model as long as nobody has found another cause."""
RAISED = frozenset({"opened", "worsened", "reopened"})
_PERIODS = {"monthly": "%Y-%m", "weekly": "%G-W%V", "daily": "%Y-%m-%d"}


@dataclass(frozen=True)
class Verdict:
    """What the policy says of new data: train (`due`) or not, why, and the alerts that it looked at."""

    due: bool
    reason: str
    alerts: tuple[str, ...] = ()


def policy_verdict(
    ledger: LedgerReader, model: Model, newest: Entry[Version], *, now: datetime, timezone: str
) -> Verdict:
    """What the model's policy makes of new data at `now`; `newest` is the version trained last."""
    trained = newest.record.as_of or newest.at
    if model.retrain == "never":
        return Verdict(False, "policy never")
    if model.retrain == "on alert":
        return _on_alert(ledger, model, newest.record, trained, now)
    zone, period = ZoneInfo(timezone), _PERIODS[model.retrain]
    here = now.astimezone(zone).strftime(period)
    if trained.astimezone(zone).strftime(period) >= here:
        return Verdict(False, f"policy {model.retrain}: trained in {here} already")
    return Verdict(True, f"policy {model.retrain}")


def period_begins(policies: Collection[str], since: datetime, moment: datetime, timezone: str) -> bool:
    """Whether after `since` and by `moment` a local month began, or a week or day where a policy goes by these."""
    zone = ZoneInfo(timezone)
    before, now = since.astimezone(zone), moment.astimezone(zone)
    periods = {"monthly", *policies} & _PERIODS.keys()
    return any(before.strftime(_PERIODS[each]) != now.strftime(_PERIODS[each]) for each in periods)


def _on_alert(ledger: LedgerReader, model: Model, newest: Version, trained: datetime, now: datetime) -> Verdict:
    told = [alert for alert in standing(newest_alerts(ledger)) if alert.model == model.name and _is_about(alert)]
    if not told:
        return Verdict(False, "policy on alert: none about the model is open")
    ids = tuple(alert.id for alert in told)
    named = ", ".join(f"{alert.name} ({alert.id})" for alert in told)
    cooled = trained + timedelta(seconds=model.cool_down_s)
    if now < cooled:
        until = cooled.isoformat(timespec="minutes")
        return Verdict(False, f"policy on alert: {named}, cooling down {written(model.cool_down_s)} until {until}", ids)
    if all(_raised(ledger, alert) <= trained for alert in told) and _at_work(ledger, newest):
        version = model_version(newest.name, newest.version)
        return Verdict(False, f"policy on alert: {version} was trained since {named} and is at work", ids)
    return Verdict(True, f"policy on alert: {named}", ids)


def _is_about(alert: Alert) -> bool:
    return alert.diagnosis == "model" or (alert.diagnosis is None and alert.name in ABOUT_MODELS)


def _raised(ledger: LedgerReader, alert: Alert) -> datetime:
    """When an alert was last raised: opened, worse, or back."""
    changes = ledger.entries(type(alert), where={"id": alert.id}, newest_first=True)
    return next((entry.record.changed for entry in changes if entry.record.event in RAISED), alert.since)


def _at_work(ledger: LedgerReader, version: Version) -> bool:
    production = roles(ledger, version.name).get("production")
    return production is not None and production.record.version == version.version
