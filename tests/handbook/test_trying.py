from __future__ import annotations

from pathlib import Path

import pytest

from rondo.errors import NotFound
from rondo.handbook.predictions import newest_logged
from rondo.handbook.trying import TryFacts, try_facts
from rondo.loop.workplace import Workplace, open_workplace


@pytest.fixture
def work(live_shop: Path) -> Workplace:
    return open_workplace(live_shop, readonly=True)


def filled(facts: TryFacts) -> dict[str, str]:
    return {field.name: field.given for field in facts.fields}


def test_the_form_asks_for_what_moves_an_answer_and_is_filled_in_with_the_newest_request(work: Workplace) -> None:
    facts, newest = try_facts(work, "late", {}), newest_logged(work, "late", 20)[0]
    assert facts.tried is None and facts.version == "late@1" and facts.positive is True
    kinds = {field.name: field.kind for field in facts.fields}
    assert kinds == {"distance": "number", "asked_at": "moment", "shop": "text"}  # not visit: it only names a row
    given = filled(facts)
    assert (given["shop"], float(given["distance"])) == (newest.request["shop"], newest.request["distance"])
    distance = next(field for field in facts.fields if field.name == "distance")
    assert distance.low is not None and distance.high is not None and 0 <= distance.low < distance.high <= 20
    assert next(field for field in facts.fields if field.name == "shop").looks_up == ("loads", "shops")


def test_a_try_is_answered_as_a_request_is_and_leaves_no_trace(work: Workplace) -> None:
    newest, before = newest_logged(work, "late", 20)[0], newest_logged(work, "late", 20)
    facts = try_facts(work, "late", filled(try_facts(work, "late", {})))
    assert facts.tried is not None and facts.wrong is None
    assert facts.tried.score == pytest.approx(newest.score)  # the same row, to the minute, at the same moment
    total = facts.tried.base + sum(added for _, _, added in facts.tried.parts) + facts.tried.residual
    assert total == pytest.approx(facts.tried.prediction)
    assert newest_logged(work, "late", 20) == before


def test_what_is_wrong_stands_at_its_field(work: Workplace) -> None:
    given = filled(try_facts(work, "late", {}))
    facts = try_facts(work, "late", {**given, "distance": "far", "asked_at": "soon"})
    assert facts.tried is None
    wrong = {field.name: field.wrong for field in facts.fields if field.wrong}
    assert wrong.keys() == {"distance", "asked_at"} and filled(facts)["distance"] == "far"


def test_an_empty_field_is_null_and_other_parameters_are_no_fields(work: Workplace) -> None:
    facts = try_facts(work, "late", {"distance": "3.5", "shop": "", "as_of": "x", "lang": "ko", "version": "1"})
    assert facts.row == {"distance": 3.5}
    assert facts.tried is not None and "loads.load" in facts.tried.missing
    with pytest.raises(NotFound):
        try_facts(work, "late", {"version": "9"})
    with pytest.raises(NotFound):
        try_facts(work, "nobody", {})
