"""The gate: a version held against the requirements of its PRD. A pure function over records.

Every line is decided by one-sided 95 % bounds, made from the standard error that evaluation left (whole days resampled
where there is time). Over the slices of a `for each` line the bounds hold together (Bonferroni); over the lines Holm's
procedure (1979) runs twice, once for what may be called passed and once for what may be called failed. So of gates
whose lines are all at their limits at most 5 in 100 call any line passed, and at most 5 in 100 call any failed.

What a rehearsal measured (latency, equal scores) has no error worth a bound: it passes or it fails. How many labels
flip against production on the last logged requests has one: it is a line like those on metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from rondo.errors import BuildError, DeclarationError
from rondo.project.reading import Prd
from rondo.project.requirements import FLIP_RATE, Requirement
from rondo.records.deployment import Flips, Rehearsal
from rondo.records.development import (
    Comparison,
    Evaluation,
    Figure,
    Gate,
    PairedFigure,
    RequirementResult,
    Slice,
    SliceResult,
    State,
)
from rondo.records.team import Approval
from rondo.stats.intervals import lower_bound, one_sided, upper_bound
from rondo.stats.metrics import METRICS, Metric, Scale
from rondo.stats.multiplicity import over_slices

ALPHA = 0.05
TEST = "test"
REHEARSED = ("latency_p50_ms", "latency_p99_ms", "greatest_difference", "offline_differ", "online_differ")
"""What a line may ask of the rehearsal."""
Direction = Literal[">=", "<="]


@dataclass(frozen=True)
class Facts:
    """What a gate is decided on, all of one version.

    `metric` is the one its model names. `evaluations` are by test set; `against` the comparisons (version first) with
    a baseline, by its name, on the test split; `against_production` those with production, by test set. Without a
    `production` version nothing needs to be no worse than it. `flips` are those against production, None without
    logged requests.
    """

    name: str
    version: int
    metric: Metric
    evaluations: Mapping[str, Evaluation]
    against: Mapping[str, Comparison] = field(default_factory=dict)
    against_production: Mapping[str, Comparison] = field(default_factory=dict)
    production: int | None = None
    rehearsal: Rehearsal | None = None
    flips: Flips | None = None


def decide(prd: Prd, facts: Facts, approvals: Sequence[Approval] = ()) -> Gate:
    """Each line of the PRD in its order, and the gate's state.

    The gate is failed when a line failed, undecided when one is undecided and unsigned or the rehearsal found scores
    that differ, else passed. Raises DeclarationError, with file and line, for a metric, a test set or
    a column that was not evaluated, BuildError for a comparison that was not made.
    """
    lines = [_line(requirement, prd, facts) for requirement in prd.requirements]
    statistical = [line for line in lines if line.decided is None]
    levels = (
        _holm_levels([line.p_clears for line in statistical]),
        _holm_levels([line.p_misses for line in statistical]),
    )
    of_line = {id(line): each for line, *each in zip(statistical, *levels, strict=True)}
    signed = {a.requirement: a.who for a in approvals if (a.name, a.version) == (facts.name, facts.version)}
    results = []
    for line in lines:
        result = line.decided or _bounded(line, *of_line[id(line)])
        if result.state == "undecided" and result.text in signed:
            result = msgspec.structs.replace(result, signed_by=signed[result.text])
        results.append(result)
    return Gate(
        name=facts.name, version=facts.version, state=_state(results, facts), requirements=results, prd=prd.file
    )


def _state(results: Sequence[RequirementResult], facts: Facts) -> Literal["passed", "failed", "undecided"]:
    if any(result.state == "failed" for result in results):
        return "failed"
    open_lines = any(result.state == "undecided" and result.signed_by is None for result in results)
    unequal = facts.rehearsal is not None and facts.rehearsal.unequal is not None
    return "undecided" if open_lines or unequal else "passed"


@dataclass(frozen=True)
class _Examined:
    """A slice (or the whole) with the figure that counts: its value may be a metric's or a difference."""

    figure: Figure | PairedFigure
    slice: Slice | None = None

    @property
    def value(self) -> float | None:
        return self.figure.difference if isinstance(self.figure, PairedFigure) else self.figure.value

    @property
    def standard_error(self) -> float | None:
        return self.figure.standard_error

    @property
    def degrees(self) -> int | None:
        return self.figure.degrees


@dataclass(frozen=True)
class _Line:
    """A line before Holm: what was examined against which limit, or already `decided`."""

    requirement: Requirement
    limit: float | None
    direction: Direction = ">="
    scale: Scale = "plain"  # where the error of what is examined is even: the metric's own, plain for a difference
    strict: bool = False  # the limit itself does not clear
    examined: tuple[_Examined, ...] = ()
    unexamined: tuple[Slice, ...] = ()
    decided: RequirementResult | None = None

    def p(self, one: _Examined) -> tuple[float, float]:
        """P-values that it clears and misses the limit."""
        assert self.limit is not None
        if self.strict and one.standard_error == 0 and one.value == self.limit:
            return 1.0, 0.0
        return one_sided(one, self.limit, self.direction, scale=self.scale)

    @property
    def p_clears(self) -> float:
        """Over all slices."""
        return over_slices([self.p(one) for one in self.examined])[0]

    @property
    def p_misses(self) -> float:
        """Over all slices."""
        return over_slices([self.p(one) for one in self.examined])[1]


def _line(requirement: Requirement, prd: Prd, facts: Facts) -> _Line:
    if requirement.kind == "better":
        return _better(requirement, facts)
    if requirement.kind == "not_worse":
        return _not_worse(requirement, facts)
    if requirement.kind == "flips":
        return _flips(requirement, prd, facts)
    if requirement.metric in REHEARSED:
        return _rehearsed(requirement, prd, facts)
    evaluation = _evaluation(requirement, prd, facts)
    scale = _scale(str(requirement.metric), facts)
    line = _Line(requirement, requirement.limit, requirement.comparison or ">=", scale)
    if requirement.by is None:
        return replace(line, examined=(_Examined(evaluation.metrics[str(requirement.metric)]),))
    return _sliced(line, evaluation.slices, prd)


def _evaluation(requirement: Requirement, prd: Prd, facts: Facts) -> Evaluation:
    """The evaluation that a line asks for, which has its metric."""
    testset, metric = requirement.testset or TEST, str(requirement.metric)
    if testset not in facts.evaluations:
        raise _wrong(requirement, prd, f"there is no evaluation on {testset!r}", list(facts.evaluations))
    evaluation = facts.evaluations[testset]
    if metric not in evaluation.metrics:
        raise _wrong(requirement, prd, f"there is no metric {metric!r}", [*evaluation.metrics, *REHEARSED])
    return evaluation


def _scale(metric: str, facts: Facts) -> Scale:
    """The scale of a metric; a project's own that the model does not name is taken as it is."""
    if metric == facts.metric.name:
        return facts.metric.scale
    return METRICS[metric].scale if metric in METRICS else "plain"


def _sliced(line: _Line, of: Sequence[Slice], prd: Prd) -> _Line:
    """The slices large enough, and those that are not or have no value. One large enough but unmeasured stays open."""
    requirement, metric = line.requirement, str(line.requirement.metric)
    slices = [each for each in of if each.by == requirement.by]
    if not slices:
        raise _wrong(requirement, prd, f"{requirement.by!r} is not sliced by", sorted({each.by for each in of}))
    examined, unexamined = [], []
    for each in slices:
        figure = each.metrics.get(metric, Figure(value=None, low=None, high=None, n=each.rows))
        too_small = each.rows < (requirement.minimum_rows or 1)
        if too_small or (each.metrics and figure.value is None):
            unexamined.append(each)
        else:
            examined.append(_Examined(figure, each))
    line = replace(line, examined=tuple(examined), unexamined=tuple(unexamined))
    return line if examined else replace(line, decided=_result(line, "unexamined", slices=_slices(line, 1.0, 1.0)))


def _better(requirement: Requirement, facts: Facts) -> _Line:
    comparison = facts.against.get(str(requirement.baseline))
    if comparison is None or facts.metric.name not in comparison.metrics:
        raise _missing(requirement, f"with the baseline {requirement.baseline}", facts)
    direction: Direction = ">=" if facts.metric.higher_is_better else "<="
    figure = comparison.metrics[facts.metric.name]
    return _Line(requirement, 0.0, direction, strict=True, examined=(_Examined(figure),))


def _not_worse(requirement: Requirement, facts: Facts) -> _Line:
    higher, margin = facts.metric.higher_is_better, requirement.limit or 0.0
    line = _Line(requirement, -margin if higher else margin, ">=" if higher else "<=")
    if facts.production is None:
        return replace(line, decided=_result(line, "not_applicable"))
    comparison = facts.against_production.get(requirement.testset or TEST)
    if comparison is None or facts.metric.name not in comparison.metrics:
        raise _missing(requirement, f"with production (version {facts.production})", facts)
    return replace(line, examined=(_Examined(comparison.metrics[facts.metric.name]),))


def _flips(requirement: Requirement, prd: Prd, facts: Facts) -> _Line:
    line = _Line(requirement, requirement.limit, "<=", "logit")
    if facts.production is None or facts.flips is None:
        return replace(line, decided=_result(line, "not_applicable"))
    if requirement.by is not None:
        return _sliced(line, facts.flips.slices, prd)
    return replace(line, examined=(_Examined(facts.flips.metrics[FLIP_RATE]),))


def _rehearsed(requirement: Requirement, prd: Prd, facts: Facts) -> _Line:
    """A line on what the rehearsal measured; without a rehearsal it is open."""
    if requirement.by is not None or requirement.testset is not None:
        raise _wrong(requirement, prd, f"{requirement.metric} has no slices and no test set", list(REHEARSED))
    line = _Line(requirement, requirement.limit, requirement.comparison or ">=")
    value = getattr(facts.rehearsal, str(requirement.metric), None)
    rows = _rehearsed_rows(str(requirement.metric), facts.rehearsal)
    if value is None or not rows or requirement.limit is None:
        return replace(line, decided=_result(line, "undecided", n=rows))
    clears = value >= requirement.limit if line.direction == ">=" else value <= requirement.limit
    bound = float(value)
    result = _result(line, "passed" if clears else "failed", value=bound, low=bound, high=bound, n=rows)
    return replace(line, decided=result)


def _rehearsed_rows(metric: str, rehearsal: Rehearsal | None) -> int:
    if rehearsal is None:
        return 0
    if metric.startswith("latency"):
        return rehearsal.requests
    return rehearsal.online_keys if metric == "online_differ" else rehearsal.offline_rows


def _holm_levels(p_values: Sequence[float]) -> list[float]:
    """For each line the alpha at which its bound says just what Holm's procedure says.

    Holm compares the k-th smallest p with alpha/(m − k + 1) and ends at the first that is greater; all later lines are
    held to the alpha of that one.
    """
    alphas, ended = [ALPHA] * len(p_values), False
    step_alpha = ALPHA
    for step, place in enumerate(sorted(range(len(p_values)), key=lambda each: p_values[each])):
        if not ended:
            step_alpha = ALPHA / (len(p_values) - step)
            ended = p_values[place] > step_alpha
        alphas[place] = step_alpha
    return alphas


def _bounded(line: _Line, clears_alpha: float, misses_alpha: float) -> RequirementResult:
    """A statistical line at the levels that Holm left it. Of several slices, the line shows the one that binds it."""
    state: State = "undecided"
    if line.p_clears <= clears_alpha:
        state = "passed"
    elif line.p_misses <= misses_alpha:
        state = "failed"
    k = len(line.examined)
    binding = max(line.examined, key=lambda one: (line.p(one)[0], one.value is None))
    low, high = _bounds(line, binding, clears_alpha / k, misses_alpha / k)
    slices = _slices(line, clears_alpha / k, misses_alpha / k) if line.requirement.by else None
    n = sum(one.figure.n for one in line.examined)
    return _result(line, state, value=binding.value, low=low, high=high, n=n, slices=slices)


def _bounds(line: _Line, one: _Examined, clears_alpha: float, misses_alpha: float) -> tuple[float | None, float | None]:
    """One-sided bounds: towards the limit at the level of passing, away from it at that of failing."""
    below, above = (clears_alpha, misses_alpha) if line.direction == ">=" else (misses_alpha, clears_alpha)
    return lower_bound(one, 1 - below, scale=line.scale), upper_bound(one, 1 - above, scale=line.scale)


def _slices(line: _Line, clears_alpha: float, misses_alpha: float) -> list[SliceResult]:
    """Every slice of a `for each` line, decided at its own level; the unexamined ones last."""
    found = []
    for one in line.examined:
        assert one.slice is not None
        clears, misses = line.p(one)
        state: Literal["passed", "failed", "undecided"] = "undecided"
        if clears <= clears_alpha:
            state = "passed"
        elif misses <= misses_alpha:
            state = "failed"
        low, high = _bounds(line, one, clears_alpha, misses_alpha)
        found.append(_slice(one.slice, state, one.value, low, high))
    metric = str(line.requirement.metric)
    for each in line.unexamined:
        figure = each.metrics.get(metric)
        found.append(_slice(each, "unexamined", figure.value if figure else None, None, None))
    return found


def _slice(
    of: Slice,
    state: Literal["passed", "failed", "undecided", "unexamined"],
    value: float | None,
    low: float | None,
    high: float | None,
) -> SliceResult:
    return SliceResult(by=of.by, is_=of.is_, state=state, value=value, low=low, high=high, n=of.rows)


def _result(
    line: _Line,
    state: State,
    *,
    value: float | None = None,
    low: float | None = None,
    high: float | None = None,
    n: int | None = None,
    slices: list[SliceResult] | None = None,
) -> RequirementResult:
    text = line.requirement.text
    return RequirementResult(
        text=text, state=state, value=value, low=low, high=high, limit=line.limit, n=n, slices=slices
    )


def _wrong(requirement: Requirement, prd: Prd, what: str, available: Sequence[str]) -> DeclarationError:
    return DeclarationError(
        f"The requirement {requirement.text!r} cannot be decided: {what}; there are: {', '.join(available) or 'none'}.",
        next_step="Use one of these, or declare it (slices in the model, metrics in metrics.py, files in testsets/).",
        file=prd.file,
        line=requirement.line,
    )


def _missing(requirement: Requirement, what: str, facts: Facts) -> BuildError:
    return BuildError(
        f"The requirement {requirement.text!r} of {facts.name}@{facts.version} wants a comparison {what}, and there is "
        "none.",
        next_step=f"Run `rondo run {facts.name}`.",
    )
