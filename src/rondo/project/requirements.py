"""The language of requirements: one measurable line of the PRD each.

requirement = metric limit [on] [each]
            | "better than" trainer
            | "not worse than production by" number [on]
            | "flip_rate" ("<=" | "<") number ["%"] "against production" [each]
limit       = (">=" | "<=" | ">" | "<") number ["%"]
on          = "on" testset
each        = "for each" column ["with at least" number "rows"]
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rondo.errors import DeclarationError

Comparison = Literal[">=", "<="]
BASELINES = ("linear", "constant")
FLIP_RATE = "flip_rate"
FORMS: Mapping[str, str] = {
    "roc_auc >= 0.7": "the metric on the test split",
    "recall >= 60 % on storms": "the metric on a test set of `testsets/`",
    "roc_auc >= 0.6 for each region with at least 200 rows": "every slice that is large enough, all bounds together; "
    "smaller ones are listed as `unexamined`",
    "latency_p99_ms <= 20": "what the rehearsal measured",
    "better than linear": "the paired difference with a baseline is above 0 (`linear`, `constant`)",
    "not worse than production by 0.005": "the paired difference with production clears the margin (non-inferiority); "
    "`not_applicable` without production",
    "flip_rate <= 5 % against production": "the share of the last 10,000 logged requests whose label differs from what "
    "production answered; `not_applicable` without production or logged requests",
}
"""A line of each kind, and what it holds a version against."""
_TOKEN = re.compile(
    r"\s*(?:(?P<op>>=|<=|>|<)|(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<percent>\s*%)?|(?P<word>[^\W\d]\w*))"
)


@dataclass(frozen=True)
class Requirement:
    """A parsed line. `text` is the line as written; `limit` is in the metric's unit.

    kind "metric": `metric` `comparison` `limit`, on `testset` (None: the test split), for each value of `by` with at
    least `minimum_rows`. kind "better": than `baseline`. kind "not_worse": than production by the margin `limit`.
    kind "flips": the share of the last logged requests that it labels otherwise than production did is `limit` at most.
    """

    text: str
    kind: Literal["metric", "better", "not_worse", "flips"]
    metric: str | None = None
    comparison: Comparison | None = None
    limit: float | None = None
    testset: str | None = None
    by: str | None = None
    minimum_rows: int | None = None
    baseline: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class _Token:
    text: str
    number: float | None = None


class _Line:
    """The tokens of one line, read from the left."""

    def __init__(self, text: str, file: str | None, line: int | None) -> None:
        self.text, self.file, self.line = text, file, line
        self.tokens = self._split()
        self.at = 0

    def _split(self) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        while self.text[at:].strip():
            found = _TOKEN.match(self.text, at)
            if found is None:
                raise self.wrong(f"{self.text[at:].strip()[:12]!r} cannot be read")
            number = None
            if found["number"]:
                number = float(found["number"]) / (100 if found["percent"] else 1)
                if not math.isfinite(number):
                    raise self.wrong(f"{found['number']} is not a number to hold anything against")
            tokens.append(_Token(found["op"] or found["number"] or found["word"], number))
            at = found.end()
        return tokens

    def wrong(self, what: str) -> DeclarationError:
        return DeclarationError(
            f"The requirement {self.text!r} cannot be read: {what}.",
            next_step="Write e.g. `roc_auc >= 0.7`, `recall >= 0.6 for each region with at least 200 rows`, "
            "`better than linear`, `not worse than production by 0.005` or `flip_rate <= 0.05 against production`.",
            file=self.file,
            line=self.line,
        )

    @property
    def done(self) -> bool:
        return self.at >= len(self.tokens)

    def takes(self, *words: str) -> bool:
        """Whether these words come next; they are passed over if so."""
        coming = [token.text for token in self.tokens[self.at : self.at + len(words)]]
        if coming != list(words):
            return False
        self.at += len(words)
        return True

    def word(self, what: str) -> str:
        if self.done or self.tokens[self.at].number is not None or self.tokens[self.at].text in ("<", ">", "<=", ">="):
            raise self.wrong(f"{what} is missing" + ("" if self.done else f" before {self.tokens[self.at].text!r}"))
        self.at += 1
        return self.tokens[self.at - 1].text

    def number(self, what: str) -> float:
        if self.done or self.tokens[self.at].number is None:
            raise self.wrong(f"{what} is missing" + ("" if self.done else f" before {self.tokens[self.at].text!r}"))
        self.at += 1
        value = self.tokens[self.at - 1].number
        assert value is not None
        return value

    def comparison(self) -> Comparison:
        for written, meant in ((">=", ">="), ("<=", "<="), (">", ">="), ("<", "<=")):
            if self.takes(written):
                return ">=" if meant == ">=" else "<="
        raise self.wrong("a comparison (>= or <=) is missing")


def parse_requirement(text: str, *, file: str | None = None, line: int | None = None) -> Requirement:
    """One line as a Requirement; raises DeclarationError with file and line."""
    reading = _Line(text, file, line)
    if reading.takes("better", "than"):
        baseline = reading.word("a baseline")
        if baseline not in BASELINES:
            raise reading.wrong(f"there is no baseline {baseline!r}; there are: {', '.join(BASELINES)}")
        requirement = Requirement(text, "better", baseline=baseline, limit=0.0, line=line)
    elif reading.takes("not", "worse", "than", "production", "by"):
        margin = reading.number("the margin")
        if margin < 0:
            raise reading.wrong("the margin is below 0")
        requirement = Requirement(text, "not_worse", limit=margin, testset=_testset(reading), line=line)
    else:
        requirement = _metric(reading, line)
    if not reading.done:
        raise reading.wrong(f"{reading.tokens[reading.at].text!r} was not expected")
    return requirement


def _metric(reading: _Line, line: int | None) -> Requirement:
    metric = reading.word("a metric")
    comparison = reading.comparison()
    limit = reading.number("the limit")
    if metric == FLIP_RATE:
        return _flips(reading, comparison, limit, line)
    testset = _testset(reading)
    by, minimum = _each(reading)
    return Requirement(reading.text, "metric", metric, comparison, limit, testset, by, minimum, line=line)


def _flips(reading: _Line, comparison: Comparison, limit: float, line: int | None) -> Requirement:
    if comparison == ">=":
        raise reading.wrong("a flip rate has an upper limit (<=)")
    if not reading.takes("against", "production"):
        raise reading.wrong("labels flip `against production`, which is missing")
    by, minimum = _each(reading)
    return Requirement(reading.text, "flips", FLIP_RATE, comparison, limit, None, by, minimum, line=line)


def _each(reading: _Line) -> tuple[str | None, int | None]:
    """The column of `for each`, and the rows that a slice must have."""
    by = reading.word("a column") if reading.takes("for", "each") else None
    minimum = None
    if by and reading.takes("with", "at", "least"):
        minimum = reading.number("a number of rows")
        if minimum != int(minimum) or minimum < 1:
            raise reading.wrong(f"{minimum:g} is not a number of rows")
        if not reading.takes("rows"):
            raise reading.wrong("'rows' is missing")
    return by, int(minimum) if minimum else None


def _testset(reading: _Line) -> str | None:
    return reading.word("a test set") if reading.takes("on") else None
