"""Every kind of record, by the name of its table."""

from __future__ import annotations

from collections.abc import Mapping

from rondo.records.deployment import ApiKey, Deployment, Flips, ModelCaller, PredictionsLanded, Rehearsal, Release
from rondo.records.development import Candidate, Comparison, Evaluation, Explanation, Fitness, Gate, Version
from rondo.records.erasing import Erasure
from rondo.records.monitoring import Alert, Delivery, Incident, Measurement, Silence, Tick
from rondo.records.running import DataRequest, Replayed, RetrainDecision, Run
from rondo.records.studies import Attribution, Mistakes, Ranking
from rondo.records.tables import CheckResult, Dataset, Definition, OutcomesLanded, Profile, Publication, TableVersion
from rondo.records.team import Approval, Decision, Note

ALL = (
    TableVersion, Definition, CheckResult, Profile, Dataset, OutcomesLanded, Publication,
    Fitness, Candidate, Version, Evaluation, Comparison, Explanation, Gate, Mistakes, Attribution, Ranking,
    Rehearsal, Flips, Deployment, Release, PredictionsLanded, ApiKey, ModelCaller,
    Measurement, Alert, Delivery, Silence, Incident, Tick,
    Decision, Approval, Note,
    Run, RetrainDecision, Replayed, DataRequest, Erasure,
)  # fmt: skip
KINDS: Mapping[str, type] = {kind.KIND: kind for kind in ALL}
VERSIONED = frozenset({TableVersion.KIND, Dataset.KIND, Version.KIND})
