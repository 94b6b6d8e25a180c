"""What happened, newest first, one line an entry."""

from __future__ import annotations

from typing import Any

from rondo.records.deployment import Deployment, Flips, Release
from rondo.records.development import Evaluation, Gate, Version
from rondo.records.documents import moment_text
from rondo.records.monitoring import Tick
from rondo.records.running import DataRequest, Replayed, RetrainDecision, Run
from rondo.records.studies import Attribution, Mistakes, Ranking
from rondo.records.tables import CheckResult, Dataset, TableVersion
from rondo.records.team import Approval, Decision, Note
from rondo.records.versions import model_version, table_version
from rondo.store.ledger import Entry, LedgerReader

OF_TABLES = (TableVersion, CheckResult)


def history_document(ledger: LedgerReader, limit: int) -> list[dict[str, Any]]:
    """The newest `limit` entries of the ledger."""
    return [_line(entry) for entry in ledger.history(limit)]


def _line(entry: Entry[Any]) -> dict[str, Any]:
    record = entry.record
    number = getattr(record, "version", None)
    version = None
    if isinstance(number, int) and not isinstance(record, Dataset):
        tables = isinstance(record, OF_TABLES) or record.KIND == "profiles"
        version = table_version(record.name, number) if tables else model_version(record.name, number)
    return {
        "at": moment_text(entry.at),
        "what": record.KIND,
        "name": record.name,
        "version": version,
        "by": entry.by,
        "reason": _reason(record),
    }


def _reason(record: Any) -> str | None:
    if isinstance(record, TableVersion):
        return f"{record.rows:,} rows"
    if isinstance(record, CheckResult):
        failed = [check.text for check in record.checks if check.state == "failed"]
        return f"{record.state}: {'; '.join(failed)}" if failed else f"{record.state}: {len(record.checks)} checks"
    if isinstance(record, Dataset):
        return f"{record.rows:,} rows: " + ", ".join(f"{rows:,} {name}" for name, rows in record.splits.items())
    if isinstance(record, Version):
        asked = [f"on {record.examples}"] if record.examples else []
        asked += [f"on from {model_version(record.name, record.parent)}"] if record.parent else []
        return "; ".join([", ".join([record.why, *asked]), record.trainer])
    if isinstance(record, Evaluation):
        return f"on {record.testset}, {record.rows:,} rows"
    if isinstance(record, Mistakes):
        return f"on {record.testset}, {record.mistakes:,} of {record.rows:,} rows"
    if isinstance(record, Attribution):
        return f"on {record.of}, {record.rows:,} of {record.of_rows:,} rows"
    if isinstance(record, Ranking):
        return f"on {record.testset}, {len(record.versions)} versions"
    if isinstance(record, Gate):
        return record.state
    if isinstance(record, Deployment):
        return f"{record.role}: {record.because}" if record.because else record.role
    if isinstance(record, Flips):
        return f"{record.metrics['flip_rate'].value or 0.0:.1%} of {record.rows:,} logged requests flip"
    if isinstance(record, Release):
        return f"as {record.format}: {record.file}"
    if isinstance(record, Decision):
        return f"{record.what}: {record.why}" if record.why else record.what
    if isinstance(record, Approval):
        return f"{record.requirement}: {record.because}"
    if isinstance(record, Tick):
        return record.step if record.done else f"not done: {record.step}"
    if isinstance(record, Note):
        return record.text
    if isinstance(record, Run):
        return f"{record.state}, {sum(step.state == 'built' for step in record.steps)} steps built"
    if isinstance(record, RetrainDecision):
        return f"{'retrain' if record.retrain else 'wait'}: {record.reason}"
    if isinstance(record, DataRequest):
        return record.what if record.state == "open" else f"closed: {record.what}"
    if isinstance(record, Replayed):
        return f"{record.predictions:,} predictions, {record.trainings} trainings"
    return None
