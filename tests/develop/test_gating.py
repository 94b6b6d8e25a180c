from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.develop.evaluating import figure
from rondo.develop.gating import ALPHA, Facts, decide
from rondo.errors import BuildError, DeclarationError
from rondo.project.reading import Prd
from rondo.project.requirements import parse_requirement
from rondo.records.deployment import Flips, Rehearsal
from rondo.records.development import Comparison, Evaluation, Figure, PairedFigure, Slice
from rondo.records.team import Approval
from rondo.stats.intervals import bootstrap
from rondo.stats.metrics import METRICS, metric_named
from rondo.stats.multiplicity import holm

AUC, RMSE = METRICS["roc_auc"], METRICS["rmse"]
REHEARSAL = Rehearsal(
    name="m", version=2, offline_rows=1000, offline_differ=0, greatest_difference=0.0, online_keys=900, online_differ=0,
    latency_p50_ms=1.0, latency_p99_ms=4.0, requests=500,
)  # fmt: skip


def prd(*lines: str) -> Prd:
    return Prd("docs/prd.md", "m", tuple(parse_requirement(text, line=i) for i, text in enumerate(lines, 6)))


def fig(value, error=0.01, n=1000, degrees=None) -> Figure:
    return Figure(value=value, low=None, high=None, n=n, standard_error=error, degrees=degrees)


def evaluation(slices: Mapping[Any, Figure | None] | None = None, of="roc_auc", **metrics: Figure) -> Evaluation:
    cut = [
        Slice(by="origin", is_=is_, rows=f.n if f else 30, metrics={} if f is None else {of: f})
        for is_, f in (slices or {}).items()
    ]
    return Evaluation(name="m", version=2, testset="test", rows=1000, metrics=metrics, slices=cut)


def comparison(difference, error=0.01, metric="roc_auc", b="linear") -> Comparison:
    paired = PairedFigure(a=0.8, b=0.8, difference=difference, low=None, high=None, n=1000, standard_error=error)
    return Comparison(name="m", a="m@2", b=b, testset="test", rows=1000, metrics={metric: paired}, verdict="undecided")


def facts(test: Evaluation | None = None, **more) -> Facts:
    return Facts("m", 2, more.pop("metric", AUC), {"test": test or evaluation(roc_auc=fig(0.8))}, **more)


def states(gate):
    return [result.state for result in gate.requirements]


def one(line: str, given_: Facts):
    gate = decide(prd(line), given_)
    return gate.requirements[0]


@pytest.mark.parametrize(
    ("line", "metric", "value", "state"),
    [
        ("roc_auc >= 0.78", "roc_auc", 0.80, "passed"),  # two standard errors above
        ("roc_auc >= 0.79", "roc_auc", 0.80, "undecided"),
        ("roc_auc >= 0.82", "roc_auc", 0.80, "failed"),
        ("brier <= 0.12", "brier", 0.10, "passed"),
        ("brier <= 0.10", "brier", 0.10, "undecided"),
        ("brier <= 0.08", "brier", 0.10, "failed"),
        ("recall > 50 %", "recall", 0.80, "passed"),
    ],
)
def test_a_line_is_decided_by_its_one_sided_bound(line, metric, value, state):
    result = one(line, facts(evaluation(**{metric: fig(value)})))
    assert (result.state, result.value, result.n, result.text) == (state, value, 1000, line)
    assert result.low == pytest.approx(away(metric, value, -1.645 * 0.01), abs=1e-5)
    assert result.high == pytest.approx(away(metric, value, 1.645 * 0.01), abs=1e-5)
    assert result.limit == parse_requirement(line).limit and result.slices is None


def away(metric, value, off):
    """A bound by hand: the error of a share that strives for 1 is even in log-odds, that of others as it stands."""
    if METRICS[metric].scale == "plain":
        return value + off
    odds = math.log(value / (1 - value)) + off / (value * (1 - value))
    return 1 / (1 + math.exp(-odds))


def test_a_share_near_one_is_bounded_below_one_and_a_difference_is_not():
    high = one("roc_auc >= 0.97", facts(evaluation(roc_auc=fig(0.99, 0.009))))
    assert high.state == "undecided" and high.low < 0.97 and high.high < 1  # 0.99 - 1.645 * 0.009 would have cleared
    paired = {"linear": comparison(0.99, 0.1)}
    assert one("better than linear", facts(against=paired)).high == pytest.approx(0.99 + 1.645 * 0.1, abs=1e-3)


def test_a_projects_own_metric_has_its_own_scale():
    own = replace(AUC, name="hits", bounds=(0.0, 1.0))
    named = one("hits >= 0.5", facts(evaluation(hits=fig(0.8)), metric=own))
    assert named.low == pytest.approx(away("roc_auc", 0.8, -1.645 * 0.01), abs=1e-5)
    other = one("hits >= 0.5", facts(evaluation(hits=fig(0.8))))
    assert other.low == pytest.approx(0.8 - 1.645 * 0.01, abs=1e-4)


@given(st.floats(0.02, 0.98), st.floats(0.001, 0.1), st.floats(0.02, 0.98))
def test_a_shares_bound_says_what_its_state_says(value, error, limit):
    result = one(f"roc_auc >= {limit!r}", facts(evaluation(roc_auc=fig(value, error))))
    assert 0 <= result.low <= value <= result.high <= 1
    if min(abs(result.low - limit), abs(result.high - limit)) > 1e-9:
        assert (result.state == "passed") == (result.low > limit)
        assert (result.state == "failed") == (result.high < limit)


def test_few_days_need_more_than_many_rows():
    passed = facts(evaluation(roc_auc=fig(0.80, degrees=None)))
    few = facts(evaluation(roc_auc=fig(0.80, degrees=3)))
    assert one("roc_auc >= 0.78", passed).state == "passed" and one("roc_auc >= 0.78", few).state == "undecided"


def test_no_value_or_no_error_is_undecided():
    assert one("roc_auc >= 0.7", facts(evaluation(roc_auc=fig(None, None)))).state == "undecided"
    assert one("roc_auc >= 0.7", facts(evaluation(roc_auc=fig(0.9, None)))).state == "undecided"


def test_a_figure_without_error_is_decided_by_its_value():
    assert one("roc_auc >= 0.9", facts(evaluation(roc_auc=fig(0.9, 0.0)))).state == "passed"
    assert one("roc_auc >= 0.9", facts(evaluation(roc_auc=fig(0.89, 0.0)))).state == "failed"


def test_slices_hold_together_and_the_line_shows_the_one_that_binds():
    slices = {"EWR": fig(0.75), "JFK": fig(0.72), "LGA": fig(0.80)}
    result = one("roc_auc >= 0.70 for each origin", facts(evaluation(slices, roc_auc=fig(0.8))))
    # JFK is 2 errors above: enough alone (1.64), not for three together (2.13).
    assert result.state == "undecided" and result.value == 0.72 and result.n == 3000
    assert [(s.is_, s.state) for s in result.slices] == [("EWR", "passed"), ("JFK", "undecided"), ("LGA", "passed")]
    assert result.slices[1].low == pytest.approx(away("roc_auc", 0.72, -2.128 * 0.01), abs=1e-4)
    alone = one("roc_auc >= 0.70 for each origin", facts(evaluation({"JFK": fig(0.72)}, roc_auc=fig(0.8))))
    assert alone.state == "passed"
    failed = one("roc_auc >= 0.76 for each origin", facts(evaluation(slices, roc_auc=fig(0.8))))
    assert failed.state == "failed" and failed.value == 0.72


def test_small_and_undefined_slices_are_unexamined_and_do_not_block():
    slices = {"EWR": fig(0.80), "JFK": fig(0.4, n=499), "LGA": fig(None, None)}
    given_ = facts(evaluation(slices, roc_auc=fig(0.8)))
    result = one("roc_auc >= 0.70 for each origin with at least 500 rows", given_)
    assert result.state == "passed" and result.n == 1000
    assert {s.is_: (s.state, s.n) for s in result.slices}["JFK"] == ("unexamined", 499)
    assert {s.is_: s.state for s in result.slices}["LGA"] == "unexamined"
    none = decide(prd("roc_auc >= 0.7 for each origin with at least 5000 rows"), given_)
    assert states(none) == ["unexamined"] and none.state == "passed" and len(none.requirements[0].slices) == 3


def test_a_large_slice_that_was_not_measured_stays_open():
    slices = {"EWR": fig(0.80), "far": None}
    result = one("roc_auc >= 0.70 for each origin with at least 20 rows", facts(evaluation(slices, roc_auc=fig(0.8))))
    assert result.state == "undecided" and {s.is_: s.state for s in result.slices} == {
        "EWR": "passed",
        "far": "undecided",
    }


@pytest.mark.parametrize(
    ("difference", "error", "metric", "state"),
    [
        (0.03, 0.01, AUC, "passed"), (0.01, 0.01, AUC, "undecided"), (-0.03, 0.01, AUC, "failed"),
        (-0.03, 0.01, RMSE, "passed"), (0.03, 0.01, RMSE, "failed"),
        (0.0, 0.0, AUC, "failed"), (0.1, 0.0, AUC, "passed"),
    ],
)  # fmt: skip
def test_better_than_a_baseline_is_a_paired_difference_clear_of_zero(difference, error, metric, state):
    given_ = facts(metric=metric, against={"linear": comparison(difference, error, metric.name)})
    result = one("better than linear", given_)
    assert (result.state, result.value, result.limit) == (state, difference, 0.0)


@pytest.mark.parametrize(
    ("difference", "metric", "limit", "state"),
    [
        (0.0, AUC, -0.02, "passed"), (-0.01, AUC, -0.02, "undecided"), (-0.05, AUC, -0.02, "failed"),
        (0.0, RMSE, 0.02, "passed"), (0.05, RMSE, 0.02, "failed"),
    ],
)  # fmt: skip
def test_not_worse_is_non_inferiority_by_the_margin(difference, metric, limit, state):
    against = {"test": comparison(difference, 0.01, metric.name, b="m@1")}
    result = one("not worse than production by 0.02", facts(metric=metric, production=1, against_production=against))
    assert (result.state, result.limit) == (state, limit)


def flips(value, error=0.01, slices: Mapping[Any, tuple[int, float]] | None = None) -> Flips:
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    cut = [
        Slice(by="shop", is_=is_, rows=rows, metrics={"flip_rate": fig(of_slice, error, rows)})
        for is_, (rows, of_slice) in (slices or {}).items()
    ]
    return Flips(
        name="m", version=2, production=1, against={"1": 1000}, last=10_000, rows=1000, start=moment, end=moment,
        refused=0, metrics={"flip_rate": fig(value, error)}, slices=cut,
    )  # fmt: skip


@pytest.mark.parametrize(("value", "state"), [(0.02, "passed"), (0.045, "undecided"), (0.09, "failed")])
def test_flips_are_held_by_their_bound(value, state):
    result = one("flip_rate <= 0.05 against production", facts(production=1, flips=flips(value, 0.006)))
    assert (result.state, result.value, result.limit, result.n) == (state, value, 0.05, 1000)
    assert (result.high <= 0.05) == (state == "passed") and (result.low > 0.05) == (state == "failed")


def test_without_production_or_requests_flips_do_not_apply():
    line = "flip_rate <= 0.05 against production"
    assert one(line, facts(flips=flips(0.5))).state == "not_applicable"
    assert one(line, facts(production=1)).state == "not_applicable"


def test_flips_by_slice_are_decided_together():
    line = "flip_rate <= 0.05 against production for each shop with at least 100 rows"
    found = flips(0.02, 0.01, {"A": (500, 0.02), "B": (400, 0.15), "C": (20, 0.9)})
    result = one(line, facts(production=1, flips=found))
    assert result.state == "failed" and [s.state for s in result.slices][1:] == ["failed", "unexamined"]
    with pytest.raises(DeclarationError, match="'shop' is not sliced by"):
        one(line, facts(production=1, flips=flips(0.02)))


def test_flips_share_the_error_of_the_gate():
    alone = one("flip_rate <= 0.05 against production", facts(production=1, flips=flips(0.036, 0.006)))
    among = decide(
        prd("flip_rate <= 0.05 against production", "roc_auc >= 0.79", "roc_auc >= 0.795"),
        facts(production=1, flips=flips(0.036, 0.006)),
    )
    assert alone.state == "passed" and among.requirements[0].high > alone.high  # Holm


def test_without_production_nothing_needs_to_be_no_worse():
    gate = decide(prd("not worse than production by 0.005"), facts())
    assert states(gate) == ["not_applicable"] and gate.state == "passed"
    assert (gate.requirements[0].limit, gate.requirements[0].value, gate.requirements[0].n) == (-0.005, None, None)


def test_the_rehearsal_passes_or_fails():
    gate = decide(prd("latency_p99_ms <= 4", "latency_p99_ms <= 3", "offline_differ <= 0"), facts(rehearsal=REHEARSAL))
    assert states(gate) == ["passed", "failed", "passed"] and gate.requirements[0].n == 500
    assert decide(prd("latency_p99_ms <= 4"), facts()).state == "undecided"
    unmeasured = msgspec.structs.replace(REHEARSAL, latency_p99_ms=None)
    assert states(decide(prd("latency_p99_ms <= 4"), facts(rehearsal=unmeasured))) == ["undecided"]


def test_unequal_scores_keep_a_gate_from_passing():
    off = msgspec.structs.replace(REHEARSAL, offline_differ=3)
    assert decide(prd("roc_auc >= 0.5"), facts(rehearsal=off)).state == "undecided"
    assert decide(prd("roc_auc >= 0.5", "offline_differ <= 0"), facts(rehearsal=off)).state == "failed"
    assert "3 of 1000 rows" in (off.unequal or "") and REHEARSAL.unequal is None


def test_a_named_person_answers_for_undecided_lines_alone():
    lines = prd("roc_auc >= 0.79", "brier <= 0.08")
    given_ = facts(evaluation(roc_auc=fig(0.8), brier=fig(0.07, 0.001)))
    assert decide(lines, given_).state == "undecided"
    approval = Approval(name="m", version=2, requirement="roc_auc >= 0.79", who="mia", because="storms")
    signed = decide(lines, given_, [approval])
    assert signed.state == "passed" and [r.signed_by for r in signed.requirements] == ["mia", None]
    others = [msgspec.structs.replace(approval, version=1), msgspec.structs.replace(approval, name="n")]
    assert decide(lines, given_, others).state == "undecided"
    failing = facts(evaluation(roc_auc=fig(0.5), brier=fig(0.07, 0.001)))
    refused = decide(lines, failing, [approval])
    assert refused.state == "failed" and refused.requirements[0].signed_by is None


def test_what_cannot_be_decided_is_named_with_its_line():
    given_ = facts(evaluation({"JFK": fig(0.8)}, roc_auc=fig(0.8)))
    for line, said in (
        ("rocauc >= 0.7", "no metric 'rocauc'; there are: roc_auc, latency"),
        ("roc_auc >= 0.7 on winter", "no evaluation on 'winter'; there are: test"),
        ("roc_auc >= 0.7 for each carrier", "'carrier' is not sliced by; there are: origin"),
        ("latency_p99_ms <= 3 for each origin", "no slices"),
    ):
        with pytest.raises(DeclarationError, match=said) as raised:
            decide(prd("roc_auc >= 0.1", line), given_)
        assert (raised.value.file, raised.value.line) == ("docs/prd.md", 7)
    for line in ("better than linear", "not worse than production by 0.1"):
        with pytest.raises(BuildError, match="wants a comparison with"):
            decide(prd(line), replace(given_, production=1))


def test_other_test_sets_have_their_own_evaluation():
    given_ = replace(
        facts(), evaluations={"test": evaluation(roc_auc=fig(0.9)), "winter": evaluation(roc_auc=fig(0.5))}
    )
    assert states(decide(prd("roc_auc >= 0.7", "roc_auc >= 0.7 on winter"), given_)) == ["passed", "failed"]


@given(st.lists(st.tuples(st.floats(-4, 4), st.sampled_from([0.5, 1.0, 2.0])), min_size=1, max_size=8))
def test_lines_pass_and_fail_as_holm_says_and_the_bounds_agree(lines):
    names = [name for name, metric in METRICS.items() if metric.scale == "plain"][: len(lines)]
    assert len(names) == len(lines)
    figures = {name: fig(ahead * error, error) for name, (ahead, error) in zip(names, lines, strict=True)}
    gate = decide(prd(*(f"{name} >= 0" for name in names)), facts(evaluation(**figures)))
    from scipy.stats import norm

    clears = holm([float(norm.sf(ahead)) for ahead, _ in lines], ALPHA)
    misses = holm([float(norm.cdf(ahead)) for ahead, _ in lines], ALPHA)
    for result, passed, failed in zip(gate.requirements, clears, misses, strict=True):
        assert (result.state == "passed") == passed == (result.low >= 0)
        assert (result.state == "failed") == failed == (result.high < 0)


def test_gates_at_their_limits_pass_a_line_in_at_most_one_of_twenty():
    """Two lines and a line over three slices, all exactly at their limit, on days that share their luck."""
    rng = np.random.default_rng(0)
    days, a_day, trials, limit = 20, 30, 250, 0.7
    accuracy = metric_named("accuracy", "binary")

    def measured(seed):
        luck = np.repeat(np.clip(rng.normal(limit, 0.08, days), 0, 1), a_day)
        right = (rng.random(days * a_day) < luck).astype(int)
        blocks = np.repeat(np.arange(days), a_day)
        found = bootstrap([accuracy], np.ones(days * a_day), None, right, blocks=blocks, draws=150, seed=seed)
        return figure(found["accuracy"])

    lines = prd(f"accuracy >= {limit}", f"f1 >= {limit}", f"recall >= {limit} for each origin")
    passed, failed = 0, 0
    for trial in range(trials):
        slices = {name: measured(trial) for name in ("a", "b", "c")}
        whole = {name: measured(trial) for name in ("accuracy", "f1")}
        gate = decide(lines, facts(evaluation(slices, "recall", recall=fig(0.7), **whole)))
        passed += "passed" in states(gate)
        failed += "failed" in states(gate)
    allowed = 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / trials)
    assert passed / trials <= allowed and failed / trials <= allowed
    assert passed + failed > 0  # the procedure is not deaf


def test_a_good_gate_passes_with_power():
    good = {f"s{i}": fig(0.8) for i in range(3)}
    gate = decide(prd("roc_auc >= 0.7", "roc_auc >= 0.7 for each origin"), facts(evaluation(good, roc_auc=fig(0.8))))
    assert gate.state == "passed" and (gate.name, gate.version, gate.prd) == ("m", 2, "docs/prd.md")


def test_without_lines_a_gate_passes():
    assert decide(prd(), facts()).state == "passed"
