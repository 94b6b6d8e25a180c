from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import DeclarationError
from rondo.project.requirements import FORMS, Requirement, parse_requirement


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("roc_auc >= 0.62", Requirement("", "metric", "roc_auc", ">=", 0.62)),
        ("roc_auc>=.62", Requirement("", "metric", "roc_auc", ">=", 0.62)),
        ("rmse < 1e3", Requirement("", "metric", "rmse", "<=", 1000.0)),
        ("accuracy > 90 %", Requirement("", "metric", "accuracy", ">=", 0.9)),
        ("r2 >= -0.5", Requirement("", "metric", "r2", ">=", -0.5)),
        ("f1 >= 0.3 on storms", Requirement("", "metric", "f1", ">=", 0.3, testset="storms")),
        ("f1 >= 0.3 for each origin", Requirement("", "metric", "f1", ">=", 0.3, by="origin")),
        (
            "f1 >= 0.3 on storms for each carrier with at least 500 rows",
            Requirement("", "metric", "f1", ">=", 0.3, testset="storms", by="carrier", minimum_rows=500),
        ),
        ("better than linear", Requirement("", "better", baseline="linear", limit=0.0)),
        ("better than constant", Requirement("", "better", baseline="constant", limit=0.0)),
        ("not worse than production by 0.005", Requirement("", "not_worse", limit=0.005)),
        ("not worse than production by 1 % on storms", Requirement("", "not_worse", limit=0.01, testset="storms")),
        ("flip_rate <= 0.05 against production", Requirement("", "flips", "flip_rate", "<=", 0.05)),
        (
            "flip_rate < 5 % against production for each shop with at least 200 rows",
            Requirement("", "flips", "flip_rate", "<=", 0.05, by="shop", minimum_rows=200),
        ),
        ("정확도 >= 0.5", Requirement("", "metric", "정확도", ">=", 0.5)),
    ],
)
def test_each_form_of_the_grammar(text: str, meant: Requirement) -> None:
    found = parse_requirement(text, file="docs/prd.md", line=7)
    assert found.text == text and found.line == 7
    for field in ("kind", "metric", "comparison", "limit", "testset", "by", "minimum_rows", "baseline"):
        assert getattr(found, field) == getattr(meant, field), field


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a metric is missing"),
        (">= 0.5", "a metric is missing before '>='"),
        ("roc_auc", "a comparison"),
        ("roc_auc = 0.5", "'= 0.5' cannot be read"),
        ("roc_auc >=", "the limit is missing"),
        ("roc_auc >= high", "the limit is missing before 'high'"),
        ("roc_auc >= 0.5 0.6", "'0.6' was not expected"),
        ("roc_auc >= 0.5 for origin", "'for' was not expected"),
        ("roc_auc >= 0.5 for each", "a column is missing"),
        ("roc_auc >= 0.5 for each origin with at least rows", "a number of rows is missing"),
        ("roc_auc >= 0.5 for each origin with at least 2.5 rows", "2.5 is not a number of rows"),
        ("roc_auc >= 0.5 for each origin with at least 0 rows", "0 is not a number of rows"),
        ("roc_auc >= 0.5 for each origin with at least 10 % rows", "not a number of rows"),
        ("roc_auc >= 0.5 for each origin with at least 5", "'rows' is missing"),
        ("roc_auc >= 0.5 for each origin on storms", "'on' was not expected"),
        ("roc_auc >= 1e999", "not a number"),
        ("better than production", "there is no baseline 'production'; there are: linear, constant"),
        ("better than", "a baseline is missing"),
        ("not worse than production", "was not expected|a comparison|the margin"),
        ("not worse than production by -0.1", "the margin is below 0"),
        ("flip_rate <= 0.05", "against production`, which is missing"),
        ("flip_rate >= 0.05 against production", "a flip rate has an upper limit"),
        ("flip_rate <= 0.05 on storms against production", "which is missing"),
        ("roc_auc >= 0.7 against production", "'against' was not expected"),
        ("not worse than production by 0.1 always", "'always' was not expected"),
    ],
)
def test_what_cannot_be_read_says_where_and_how_it_is_written(text: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=said) as refused:
        parse_requirement(text, file="docs/prd.md", line=7)
    assert (refused.value.file, refused.value.line) == ("docs/prd.md", 7)
    assert "roc_auc >= 0.7" in refused.value.next_step


NAME = st.from_regex(r"[a-z]{1,2}_[a-z0-9]{1,6}", fullmatch=True)
LIMIT = st.floats(-1e6, 1e6, allow_nan=False)
SPACE = st.sampled_from([" ", "  ", "\t"])


@given(
    NAME, st.sampled_from([">=", "<=", ">", "<"]), LIMIT, st.none() | NAME, st.none() | NAME, st.integers(0, 999), SPACE
)
def test_what_is_written_is_what_is_read(
    metric: str, comparison: str, limit: float, testset: str | None, by: str | None, rows: int, space: str
) -> None:
    words = [metric, comparison, repr(limit)]
    words += ["on", testset] if testset else []
    words += ["for", "each", by] if by else []
    words += ["with", "at", "least", str(rows), "rows"] if by and rows else []
    found = parse_requirement(space.join(words))
    assert (found.metric, found.limit, found.testset, found.by) == (metric, limit, testset, by)
    assert found.comparison == (">=" if ">" in comparison else "<=")
    assert found.minimum_rows == (rows if by and rows else None)


LINE = "roc_auc flip_rate against >= < <= 0.5 -1 5% on storms for each with at least rows better than linear not worse production by ( é %"
WORDS = st.sampled_from(LINE.split())


@settings(max_examples=300)
@given(st.lists(WORDS, max_size=10))
def test_any_words_are_a_requirement_or_a_refusal(words: list[str]) -> None:
    text = " ".join(words)
    try:
        found = parse_requirement(text, file="docs/prd.md", line=3)
    except DeclarationError as error:
        assert (error.file, error.line) == ("docs/prd.md", 3)
    else:
        assert found.limit is not None and (found.kind == "metric") == (found.metric is not None)


def test_every_documented_line_reads() -> None:
    assert {parse_requirement(line).kind for line in FORMS} == {"metric", "better", "not_worse", "flips"}
