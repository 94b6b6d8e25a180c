"""The public JSON document of one record. Shapes are a contract: fields may be added, none may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from rondo.records.deployment import ApiKey, Deployment, Flips, Release
from rondo.records.development import (
    Comparison,
    Evaluation,
    Explanation,
    Figure,
    Fitness,
    Gate,
    PairedFigure,
    RequirementResult,
    Slice,
)
from rondo.records.running import PlannedStep, Replayed, Run
from rondo.records.tables import CheckResult, Profile
from rondo.records.versions import model_version, table_version

Document = dict[str, Any]


def moment_text(moment: datetime) -> str:
    """ISO-8601 in UTC, ending in Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _without(record: msgspec.Struct, *names: str) -> Document:
    document: Document = msgspec.to_builtins(record)
    for name in names:
        document.pop(name, None)
    return document


def figure_document(figure: Figure) -> Document:
    """{"value", "low", "high", "n"}."""
    return {"value": figure.value, "low": figure.low, "high": figure.high, "n": figure.n}


def _paired_document(figure: PairedFigure) -> Document:
    return {
        "a": figure.a,
        "b": figure.b,
        "difference": figure.difference,
        "low": figure.low,
        "high": figure.high,
        "n": figure.n,
    }


def run_document(run: Run) -> Document:
    """What one run did."""
    return {"run": run.name, "state": run.state, "steps": [msgspec.to_builtins(step) for step in run.steps]}


def plan_document(steps: Sequence[PlannedStep]) -> Document:
    """What a run would do."""
    return {"steps": [msgspec.to_builtins(step) for step in steps]}


def figures_document(figures: Mapping[str, Figure]) -> Document:
    """Metrics by name."""
    return {name: figure_document(figure) for name, figure in figures.items()}


def slices_document(slices: Sequence[Slice]) -> list[Document]:
    """Metrics by slice; of a binary model with the rates of the group, and their gaps to all others."""
    return [
        {
            "by": part.by,
            "is": part.is_,
            "rows": part.rows,
            "metrics": figures_document(part.metrics),
            **({"rates": figures_document(part.rates), "gaps": figures_document(part.gaps)} if part.rates else {}),
        }
        for part in slices
    ]


def evaluation_document(evaluation: Evaluation) -> Document:
    """Metrics of a version on a test set, with slices; of a golden one also how its scores compare."""
    document: Document = {
        "version": model_version(evaluation.name, evaluation.version),
        "testset": evaluation.testset,
        "rows": evaluation.rows,
        "metrics": figures_document(evaluation.metrics),
        "slices": slices_document(evaluation.slices),
    }
    if evaluation.golden is not None:
        document["golden"] = msgspec.to_builtins(evaluation.golden)
    if evaluation.curves is not None:
        document["curves"] = msgspec.to_builtins(evaluation.curves)
    return document


def comparison_document(comparison: Comparison) -> Document:
    """Two versions on the same rows; with slices and a split where these were asked for."""
    document: Document = {
        "a": comparison.a,
        "b": comparison.b,
        "testset": comparison.testset,
        "rows": comparison.rows,
        "metrics": {name: _paired_document(figure) for name, figure in comparison.metrics.items()},
        "verdict": comparison.verdict,
    }
    if comparison.split is not None:
        document["slices"] = [
            {
                "by": part.by,
                "is": part.is_,
                "rows": part.rows,
                "metrics": {name: _paired_document(figure) for name, figure in part.metrics.items()},
            }
            for part in comparison.slices
        ]
        split = comparison.split
        reported = None if split.reported is None else moment_text(split.reported)
        document["split"] = {**_without(split), "reported": reported}
        document["seen"] = comparison.seen
        document["days"] = [msgspec.to_builtins(day) for day in comparison.days]
    return document


def flips_document(flips: Flips, requirements: Sequence[RequirementResult] = ()) -> Document:
    """A version on the last logged requests, with the PRD's lines that ask for it."""
    production = flips.production
    return {
        "version": model_version(flips.name, flips.version),
        "production": None if production is None else model_version(flips.name, production),
        "against": {f"{flips.name}@{number}": rows for number, rows in flips.against.items()},
        "rows": flips.rows,
        "last": flips.last,
        "from": moment_text(flips.start),
        "to": moment_text(flips.end),
        "metrics": figures_document(flips.metrics),
        "tolerance": flips.tolerance,
        "refused": flips.refused,
        "refusals": flips.refusals,
        "looked_up": flips.looked_up,
        "absent": flips.absent,
        "unsliced": flips.unsliced,
        "latency_p50_ms": flips.latency_p50_ms,
        "latency_p99_ms": flips.latency_p99_ms,
        "requests": flips.requests,
        "slices": slices_document(flips.slices),
        "requirements": requirements_document(requirements),
    }


def gate_document(gate: Gate) -> Document:
    """A version held against its PRD, one entry a line."""
    requirements = requirements_document(gate.requirements)
    return {"version": model_version(gate.name, gate.version), "state": gate.state, "requirements": requirements}


def requirements_document(lines: Sequence[RequirementResult]) -> list[Document]:
    """Lines of a PRD as decided."""
    requirements = []
    for line in lines:
        document = _without(line)
        if document["slices"] is None:
            del document["slices"]
        requirements.append(document)
    return requirements


def deployment_document(deployment: Deployment, since: datetime) -> Document:
    """A deployment made by promote or rollback."""
    replaced = deployment.replaced
    return {
        "version": model_version(deployment.name, deployment.version),
        "role": deployment.role,
        "share": deployment.share,
        "since": moment_text(since),
        "replaced": None if replaced is None else model_version(deployment.name, replaced),
    }


def release_document(release: Release) -> Document:
    """A version written as a file for another runtime."""
    return {"version": model_version(release.name, release.version), **_without(release, "name", "version")}


def explanation_document(explanation: Explanation) -> Document:
    """Why one prediction came out as it did."""
    return {
        "version": model_version(explanation.name, explanation.version),
        **_without(explanation, "name", "version", "rows"),
    }


def fitness_document(fitness: Fitness) -> Document:
    """Whether examples are fit for learning, with what was found, the weightiest first."""
    order = {"stop": 0, "warn": 1, "note": 2}
    findings = sorted(fitness.findings, key=lambda finding: order[finding.weight])
    return {
        "verdict": f"{fitness.verdict}: {fitness.suits}",
        "findings": [msgspec.to_builtins(finding) for finding in findings],
        "scores": fitness.scores,
    }


def profile_document(profile: Profile, checks: CheckResult | None, fitness: Fitness | None) -> Document:
    """What a version of a table holds; of examples also whether they are fit for learning."""
    return {
        "name": profile.name,
        "version": table_version(profile.name, profile.version),
        "rows": profile.rows,
        "columns": [msgspec.to_builtins(column) for column in profile.columns],
        "checks": [msgspec.to_builtins(check) for check in checks.checks] if checks else [],
        "fitness": None if fitness is None else fitness_document(fitness),
    }


def replay_document(replayed: Replayed) -> Document:
    """What a replayed stretch of history brought."""
    document = _without(replayed, "start", "end", "months", "comparisons")
    return {
        "name": document.pop("name"),
        "from": moment_text(replayed.start),
        "to": moment_text(replayed.end),
        **document,
        "months": [
            {"month": m.month, "version": m.version, "rows": m.rows, "metrics": figures_document(m.metrics)}
            for m in replayed.months
        ],
        "comparisons": [{"model": each.name, **comparison_document(each)} for each in replayed.comparisons],
    }


def key_document(record: ApiKey, made: datetime, state: str, ended: datetime | None) -> Document:
    """An API key as it stands: what it opens, and until when. Its digest is nobody's business."""
    return {
        "name": record.name,
        "id": record.id,
        "state": state,
        "scopes": list(record.scopes),
        "owner": record.owner,
        "rate": record.rate,
        "made": moment_text(made),
        "expires": moment_text(record.expires) if record.expires else None,
        "ended": moment_text(ended) if ended else None,
        "because": record.because,
    }
