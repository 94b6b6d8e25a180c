"""The public documents against the shapes of the contract, written by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from rondo.records.deployment import Deployment
from rondo.records.development import (
    Comparison,
    Contribution,
    Evaluation,
    Explanation,
    Figure,
    Finding,
    Fitness,
    Gate,
    PairedFigure,
    RequirementResult,
    Slice,
    SliceResult,
)
from rondo.records.documents import (
    comparison_document,
    deployment_document,
    evaluation_document,
    explanation_document,
    fitness_document,
    gate_document,
    moment_text,
    plan_document,
    profile_document,
    replay_document,
    run_document,
)
from rondo.records.running import PlannedStep, Replayed, ReplayedMonth, Run, Step
from rondo.records.tables import Checked, CheckResult, ColumnProfile, Profile, Top

AUC = Figure(value=0.726, low=0.718, high=0.734, n=27110, standard_error=0.004, degrees=13)
AUC_DOCUMENT = {"value": 0.726, "low": 0.718, "high": 0.734, "n": 27110}


def test_a_moment_ends_in_z() -> None:
    seoul = timezone(timedelta(hours=9))
    assert moment_text(datetime(2013, 7, 2, 3, tzinfo=seoul)) == "2013-07-01T18:00:00Z"
    assert moment_text(datetime(2013, 7, 1, 18, 0, 0, 250_000, tzinfo=UTC)) == "2013-07-01T18:00:00.250000Z"


def test_run() -> None:
    steps = [
        Step(
            name="flights", stage="build", state="built", reason="new rows", version="flights@v12", rows=3, seconds=0.8
        ),
        Step(name="late", stage="train", state="fresh", version="late@7", seconds=0.0),
    ]
    assert run_document(Run(name="r12", state="done", steps=steps, seconds=1.5)) == {
        "run": "r12",
        "state": "done",
        "steps": [
            {
                "name": "flights",
                "stage": "build",
                "state": "built",
                "reason": "new rows",
                "version": "flights@v12",
                "rows": 3,
                "seconds": 0.8,
            },
            {
                "name": "late",
                "stage": "train",
                "state": "fresh",
                "reason": None,
                "version": "late@7",
                "rows": None,
                "seconds": 0.0,
            },
        ],
    }


def test_plan() -> None:
    steps = [
        PlannedStep(name="late", stage="train", action="build", why="stale", reason="origin_delays_3h changed"),
        PlannedStep(name="flights", stage="build", action="keep"),
    ]
    assert plan_document(steps) == {
        "steps": [
            {
                "name": "late",
                "stage": "train",
                "action": "build",
                "why": "stale",
                "reason": "origin_delays_3h changed",
            },
            {"name": "flights", "stage": "build", "action": "keep", "why": None, "reason": None},
        ]
    }


def test_evaluate() -> None:
    part = Slice(by="origin", is_="JFK", rows=8963, metrics={"roc_auc": AUC})
    found = Evaluation(
        name="late",
        version=7,
        testset="test",
        rows=27110,
        metrics={"roc_auc": AUC},
        slices=[part],
        blocks=14,
        build="b",
    )
    assert evaluation_document(found) == {
        "version": "late@7",
        "testset": "test",
        "rows": 27110,
        "metrics": {"roc_auc": AUC_DOCUMENT},
        "slices": [{"by": "origin", "is": "JFK", "rows": 8963, "metrics": {"roc_auc": AUC_DOCUMENT}}],
    }


def test_compare() -> None:
    paired = PairedFigure(a=0.744, b=0.727, difference=0.017, low=0.014, high=0.02, n=27110)
    found = Comparison(
        name="late", a="late@7", b="late@1", testset="december", rows=27110, metrics={"roc_auc": paired}, verdict="a"
    )
    document = comparison_document(found)
    assert document["metrics"]["roc_auc"] == {
        "a": 0.744,
        "b": 0.727,
        "difference": 0.017,
        "low": 0.014,
        "high": 0.02,
        "n": 27110,
    }
    del document["metrics"]
    assert document == {"a": "late@7", "b": "late@1", "testset": "december", "rows": 27110, "verdict": "a"}


def test_gate() -> None:
    passed = RequirementResult(
        text="roc_auc >= 0.68", state="passed", value=0.726, low=0.7, high=0.75, limit=0.68, n=27110
    )
    part = SliceResult(by="origin", is_="JFK", state="undecided", value=0.63, low=0.6, high=0.66, n=8963)
    sliced = RequirementResult(
        text="roc_auc >= 0.62 for each origin", state="undecided", value=0.63, low=0.6, high=0.66, limit=0.62, n=8963,
        signed_by="mia", slices=[part],
    )  # fmt: skip
    gate = Gate(name="late", version=7, state="passed", requirements=[passed, sliced], prd="docs/prd.md", build="b")
    assert gate_document(gate) == {
        "version": "late@7",
        "state": "passed",
        "requirements": [
            {
                "text": "roc_auc >= 0.68",
                "state": "passed",
                "value": 0.726,
                "low": 0.7,
                "high": 0.75,
                "limit": 0.68,
                "n": 27110,
                "signed_by": None,
            },
            {
                "text": "roc_auc >= 0.62 for each origin",
                "state": "undecided",
                "value": 0.63,
                "low": 0.6,
                "high": 0.66,
                "limit": 0.62,
                "n": 8963,
                "signed_by": "mia",
                "slices": [
                    {
                        "by": "origin",
                        "is": "JFK",
                        "state": "undecided",
                        "value": 0.63,
                        "low": 0.6,
                        "high": 0.66,
                        "n": 8963,
                    }
                ],
            },
        ],
    }


def test_promote() -> None:
    since = datetime(2013, 7, 1, 18, tzinfo=UTC)
    first = Deployment(name="late", version=7, role="canary", share=0.1, because="a try")
    assert deployment_document(first, since) == {
        "version": "late@7",
        "role": "canary",
        "share": 0.1,
        "since": "2013-07-01T18:00:00Z",
        "replaced": None,
    }
    second = Deployment(name="late", version=8, role="production", share=1.0, replaced=7)
    assert deployment_document(second, since)["replaced"] == "late@7"


def test_explain() -> None:
    contribution = Contribution(feature="planes.seats", value=None, contribution=0.01)
    found = Explanation(
        name="late", version=7, base=0.21, prediction=0.31, contributions=[contribution], residual=0.09, rows=1
    )
    assert explanation_document(found) == {
        "version": "late@7",
        "base": 0.21,
        "prediction": 0.31,
        "contributions": [{"feature": "planes.seats", "value": None, "contribution": 0.01}],
        "residual": 0.09,
    }


def test_profile_and_fitness() -> None:
    column = ColumnProfile(
        name="distance", type="DOUBLE", nulls=0, distinct=214, min=17.0, max=4983.0, mean=1039.9,
        quantiles={"0.5": 872.0}, top=[Top(value=2475.0, count=11262)],
    )  # fmt: skip
    profile = Profile(name="departures", version=12, rows=336776, columns=[column])
    check = Checked(text="distance > 0", state="passed", rows=336776, failed=0)
    checks = CheckResult(name="departures", version=12, build="b", state="passed", checks=[check])
    findings = [
        Finding(what="12 rows stand twice", weight="note"),
        Finding(what="dest copies the label", weight="stop", column="dest"),
        Finding(what="tailnum is missing in a fifth", weight="warn", column="tailnum"),
    ]
    fitness = Fitness(
        name="late", dataset=3, verdict="unfit", suits="trees", findings=findings, scores={"boosted": 0.7}
    )
    document = profile_document(profile, checks, fitness)
    assert document["columns"] == [
        {
            "name": "distance",
            "type": "DOUBLE",
            "nulls": 0,
            "distinct": 214,
            "min": 17.0,
            "max": 4983.0,
            "mean": 1039.9,
            "quantiles": {"0.5": 872.0},
            "top": [{"value": 2475.0, "count": 11262}],
            "bars": None,
        }
    ]
    assert document["checks"] == [{"text": "distance > 0", "state": "passed", "rows": 336776, "failed": 0}]
    assert document["fitness"]["verdict"].startswith("unfit")
    assert [finding["weight"] for finding in document["fitness"]["findings"]] == ["stop", "warn", "note"]
    assert document["fitness"] == fitness_document(fitness)
    assert (document["name"], document["version"], document["rows"]) == ("departures", "departures@v12", 336776)
    bare = profile_document(profile, None, None)
    assert (bare["checks"], bare["fitness"]) == ([], None)


def test_replay() -> None:
    month = ReplayedMonth(month="2013-03", version="late@1", rows=28834, metrics={"roc_auc": AUC})
    replayed = Replayed(
        name="late", start=datetime(2013, 3, 1, tzinfo=UTC), end=datetime(2013, 12, 31, tzinfo=UTC), predictions=5,
        outcomes=4, trainings=3, promotions=2, rejections=1, alerts=0, seconds={"data": 20.5}, months=[month],
    )  # fmt: skip
    assert replay_document(replayed) == {
        "name": "late",
        "from": "2013-03-01T00:00:00Z",
        "to": "2013-12-31T00:00:00Z",
        "predictions": 5,
        "outcomes": 4,
        "trainings": 3,
        "promotions": 2,
        "rejections": 1,
        "alerts": 0,
        "seconds": {"data": 20.5},
        "months": [{"month": "2013-03", "version": "late@1", "rows": 28834, "metrics": {"roc_auc": AUC_DOCUMENT}}],
        "requests": 0,
        "differences": 0,
        "differing": [],
        "comparisons": [],
    }
