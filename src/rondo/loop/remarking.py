"""A remark about anything that the project or its ledger knows by name."""

from __future__ import annotations

from rondo.errors import NotFound
from rondo.loop.workplace import Workplace
from rondo.monitor.alerting import newest_alerts
from rondo.monitor.incidents import newest_incidents
from rondo.monitor.responses import note_incident
from rondo.records.development import Version
from rondo.records.monitoring import Incident
from rondo.records.team import Note
from rondo.records.versions import model_version, parse_model_version
from rondo.team.notes import note


def remark(work: Workplace, name: str, text: str) -> Note | Incident:
    """A note on a source, table, model, version (`late@7`), document (`docs/plan`) or alert; on an incident, a line of
    its timeline. Raises NotFound for a name that nothing bears, WrongUse without words.
    """
    ledger = work.store.ledger
    if any(incident.id == name for incident in newest_incidents(ledger)):
        return note_incident(work.store, name, text, by=work.by)
    if "@" in name:
        model, number = parse_model_version(name)
        work.project.model(model)
        if ledger.latest(Version, name=model, version=number) is None:
            newest = ledger.entries(Version, name=model, limit=20, newest_first=True)
            raise NotFound.among("version", name, [model_version(model, each.record.version) for each in newest])
        return note(ledger, model, text, by=work.by, version=number)
    known = [*work.project.names, *work.project.models, *_documents(work)]
    if name in known or any(alert.id == name for alert in newest_alerts(ledger)):
        return note(ledger, name, text, by=work.by)
    raise NotFound.among("thing to remark on", name, known)


def _documents(work: Workplace) -> list[str]:
    """The documents of docs/ and reports/, without their ending."""
    root = work.project.root
    found = [*(root / "docs").rglob("*.md"), *(root / "reports").glob("*.md")]
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in found)
