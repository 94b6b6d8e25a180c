from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import DeclarationError
from rondo.project.headers import parse_header
from rondo.project.milestones import FORMS, Evidence, Known, check_names, parse_evidence, read_milestones

KNOWN = Known(
    models=["late"], tables=["flights", "departures"], testsets=["test", "december"], reports=["weekly"],
    documents=["prd", "plan"],
)  # fmt: skip
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
QUOTED = st.text(st.characters(blacklist_characters='"', blacklist_categories=["Cs", "Cc"]), min_size=1).filter(
    str.strip
)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, Evidence]:
    """Evidence as somebody writes it, with any space between its words, and what it must be read as."""
    kind = draw(st.sampled_from(sorted(FORMS)))
    about = FORMS[kind][0]
    name: str | None = draw(QUOTED if about == "words" else NAMES)
    testset = draw(NAMES) if kind == "evaluated" else None
    if about == "model or none" and draw(st.booleans()):
        name = None
    tail = [f'"{name}"'] if about == "words" else [name] if name else []
    words = [*kind.split(), *(each for each in tail if each), *(["on", testset] if testset else [])]
    text = draw(st.sampled_from([" ", "  ", "\t"])).join(words)
    return text, Evidence(text, kind, name, testset)


@given(written())
def test_every_form_is_read_back_as_it_was_meant(case: tuple[str, Evidence]) -> None:
    text, meant = case
    assert parse_evidence(text) == meant


@given(st.text(max_size=40))
def test_any_other_text_is_refused_in_words(text: str) -> None:
    try:
        found = parse_evidence(text, file="docs/plan.md", line=7)
    except DeclarationError as error:
        assert (error.file, error.line) == ("docs/plan.md", 7)
        assert repr(text) in error.message
    else:
        assert text.split()[: len(found.kind.split())] == found.kind.split()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gate pased late", "did you mean `gate passed`"),
        ("gate passed", "the name of a model is missing"),
        ("gate passed late twice", "'twice' was not expected"),
        ("evaluated late december", "evaluated MODEL on TESTSET"),
        ("evaluated late on", "evaluated MODEL on TESTSET"),
        ("decision made kept", 'stand in "quotes"'),
        ('decision made ""', 'stand in "quotes"'),
        ("", "there is no evidence ''"),
    ],
)
def test_a_slip_is_told_with_what_was_meant(text: str, said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        parse_evidence(text)
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gate passed lat", "'lat', which is no model; there are: late"),
        ("table built flight", "'flight', which is no table; there are: departures, flights"),
        ("evaluated late on storms", "'storms', which is no test set; there are: december, test"),
        ("report runs monthly", "'monthly', which is no report; there are: weekly"),
        ("document accepted design", "'design', which is no document"),
        ("incident closed churn", "'churn', which is no model"),
    ],
)
def test_a_name_that_is_not_there_is_told_with_those_that_are(text: str, said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        check_names(parse_evidence(text), KNOWN)
    assert said in refused.value.message


@pytest.mark.parametrize(
    "text", ["incident closed", "replay done any", 'decision made "any"', "evaluated late on test"]
)
def test_what_needs_no_name_or_any_is_taken(text: str) -> None:
    check_names(parse_evidence(text), KNOWN)


def header(text: str):
    return parse_header(text, "docs/plan.md", 2)


def test_milestones_are_read_with_their_lines() -> None:
    found, problems = read_milestones(
        header(
            "kind: plan\nmilestones:\n"
            "  - what: It serves\n    who: ml_engineer\n    evidence: [gate passed late, version in production late]\n"
            "    by: 2013-03-15\n"
            "  - what: 데이터가 적재된다\n    evidence: table built flights\n"
        ),
        KNOWN,
    )
    assert problems == []
    assert [(each.what, each.who, each.by, each.line) for each in found] == [
        ("It serves", "ml_engineer", date(2013, 3, 15), 4),
        ("데이터가 적재된다", None, None, 8),
    ]
    assert [evidence.kind for evidence in found[0].evidence] == ["gate passed", "version in production"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("kind: plan\n", 2, "are missing"),
        ("milestones: soon\n", 2, "no list of steps"),
        ("milestones:\n  - gate passed late\n", 3, "says not what it is"),
        ("milestones:\n  - what: A\n", 3, "has no evidence"),
        ("milestones:\n  - what: A\n    evidence: gate passed lat\n", 3, "which is no model"),
        ("milestones:\n  - what: A\n    evidence: gate passed late\n    by: soon\n", 3, "which is no day"),
        ("milestones:\n  - what: A\n    evidence: gate passed late\n    done: yes\n", 3, "unknown key 'done'"),
    ],
)
def test_a_wrong_milestone_is_told_and_the_others_stand(text: str, line: int, said: str) -> None:
    found, [problem] = read_milestones(header(text), KNOWN)
    assert found == ()
    assert said in problem.message
    assert problem.line == line
