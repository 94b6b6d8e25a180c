from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.handbook.questions.matching import LEAST, matches
from rondo.handbook.questions.register import QUESTIONS
from rondo.language.words import Language


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ("ten months ago", 23), ("10개월 전", 23), ("ten monts ago", 23), ("rollback", 28), ("롤백", 28), ("roll back", 28),
        ("fine tuning", 12), ("미세 조정", 12), ("who owns this", 34), ("누구에게 문의하나요", 34), ("serving diagram", 32),
        ("서빙 다이어그램", 32), ("anonymized", 35), ("익명처리", 35), ("licence", 36), ("custom metric", 20),
        ("why was it flagged", 16), ("feature importance", 17), ("retrain on another region", 12), ("pagerduty page", 28),
        ("golden examples", 6), ("canary", 25), ("meta-analysis", 22), ("메타분석", 22), ("worst mistakes", 15), ("오답", 15),
        ("where do I put sql", 31), ("duplicated sql", 11), ("new pipeline", 30), ("data card", 36), ("drift", 9),
        ("batch scoring", 18), ("promote", 8), ("lineage upstream", 10), ("test set add", 13),
    ],
)  # fmt: skip
def test_words_lead_to_a_question(asked: str, number: int) -> None:
    assert matches(asked)[0].number == number, matches(asked)[:3]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: str(each.number))
def test_a_question_leads_to_itself(question: object) -> None:
    number, text = question.number, question.text  # type: ignore[attr-defined]
    assert matches(text)[0].number == number
    assert number in [match.number for match in matches(Language("ko", "UTC").known(text))[:2]]


@given(st.sampled_from(QUESTIONS), st.data())
def test_a_slip_of_the_finger_is_forgiven(question: object, data: st.DataObject) -> None:
    words = question.text.rstrip("?").split()  # type: ignore[attr-defined]
    long = [place for place, word in enumerate(words) if len(word) >= 7 and word.isalpha()]
    if not long:
        return
    place = data.draw(st.sampled_from(long))
    at = data.draw(st.integers(1, len(words[place]) - 2))
    words[place] = words[place][:at] + words[place][at + 1 :]
    assert question.number in [match.number for match in matches(" ".join(words))[:2]]  # type: ignore[attr-defined]


def test_nonsense_leads_nowhere() -> None:
    assert not [match for match in matches("xylophone quartz") if match.score >= LEAST]
    assert matches("") == matches("?!") == ()


@given(st.text(max_size=40))
def test_any_text_is_matched_the_same_twice(asked: str) -> None:
    first = matches(asked)
    assert first == matches(asked)
    assert all(0 < match.score <= 1.000001 for match in first)
