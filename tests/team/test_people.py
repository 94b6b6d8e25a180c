from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.project.people import ROLES, Absence, Person
from rondo.team.people import (
    LEADS,
    STAGES,
    STANDS_IN,
    WORKS,
    Owned,
    answerable,
    contacts,
    gaps,
    holders,
    is_away,
    stand_in,
)

DAY = date(2013, 12, 25)
AWAY = Absence(date(2013, 12, 27), date(2013, 12, 24))
MIA = Person("mia", "Mia", "mia@example.com", ("data_engineer", "devops_engineer"))
KIM = Person("kim", "Kim", "kim@example.com", ("data_scientist",))
LEE = Person("lee", None, "lee@example.com", ("data_engineer",))


def thing(owner: str | None, role: str = "data_engineer") -> Owned:
    return Owned("table", "flights", owner, role, "tables", "tables/flights.sql", 1)


def test_every_role_has_a_place_along_the_loop() -> None:
    assert set(WORKS) == set(STANDS_IN) == set(ROLES)
    assert set(LEADS) == set(STAGES)
    assert {role for roles in STANDS_IN.values() for role in roles} | set(LEADS.values()) <= set(ROLES)
    assert all(LEADS[stage] in [role for role in ROLES if stage in WORKS[role]] for stage in STAGES)


def test_an_owner_is_a_person_or_everybody_of_a_role() -> None:
    people = (MIA, KIM, LEE)
    assert holders(people, "mia") == (MIA,)
    assert holders(people, "data_engineer") == (MIA, LEE)
    assert holders(people, "Data Engineer") == (MIA, LEE)
    assert holders(people, "nobody") == holders(people, None) == ()


def test_a_person_called_by_a_role_is_meant_before_others_who_hold_it() -> None:
    own = Person("data_engineer", "Dana")
    assert holders((MIA, own), "data_engineer") == (own,)


@pytest.mark.parametrize(
    ("people", "owner", "role", "ids", "declared"),
    [
        ((MIA, KIM), "kim", "data_engineer", ["kim"], True),
        ((MIA, KIM), None, "data_engineer", ["mia"], False),
        ((MIA, KIM), "data_enginer", "data_engineer", ["mia"], False),
        ((KIM,), None, "data_engineer", ["kim"], False),
        ((KIM,), None, "ml_developer", ["kim"], False),
        ((), "kim", "data_engineer", [], False),
    ],
)
def test_somebody_answers_wherever_there_is_anybody(
    people: tuple[Person, ...], owner: str | None, role: str, ids: list[str], declared: bool
) -> None:
    found = answerable(people, owner, role)
    assert ([person.id for person in found.people], found.declared) == (ids, declared)
    assert (found.reached is None) == (not people)


@given(st.sampled_from(sorted(ROLES)), st.lists(st.sampled_from(sorted(ROLES)), min_size=1, max_size=3))
def test_whatever_a_role_is_missing_one_person_answers_for_all(role: str, held: list[str]) -> None:
    alone = Person("all", roles=tuple(held))
    assert answerable((alone,), None, role).people == (alone,)


def test_a_deputy_who_is_away_has_a_deputy() -> None:
    people = (
        Person("a", away=AWAY, deputy="b"), Person("b", away=AWAY, deputy="c"), Person("c"), Person("d", deputy="a"),
    )  # fmt: skip
    assert stand_in(people, people[0], DAY) == people[2]
    assert not is_away(people[3], DAY)


@given(
    st.dictionaries(st.sampled_from("abcde"), st.sampled_from("abcdex"), min_size=1), st.sets(st.sampled_from("abcde"))
)
def test_deputies_in_a_circle_end_and_whoever_stands_in_is_there(deputies: dict[str, str], away: set[str]) -> None:
    people = [Person(each, deputy=deputies.get(each), away=AWAY if each in away else None) for each in "abcde"]
    for person in people:
        found = stand_in(people, person, DAY)
        assert found is None or (not is_away(found, DAY) and found.id != person.id)


def test_contacts_name_the_deputy_on_a_day_of_absence() -> None:
    people = (Person("mia", "Mia", "mia@x", ("data_engineer",), deputy="kim", away=AWAY), KIM)
    assert contacts(people)["data_engineer"] == "Mia, mia@x"
    assert contacts(people, DAY)["data_engineer"] == "Kim, kim@example.com (for Mia)"
    assert contacts(people, date(2014, 1, 1))["mia"] == "Mia, mia@x"
    assert "product_manager" not in contacts(people)


def test_what_is_wrong_about_owners_and_people_is_found() -> None:
    people = (
        MIA, Person("kim", contact="k", roles=("wizard",)), Person("lee", contact="l", deputy="gone"),
        Person("ann", contact="a", away=AWAY, deputy="bo"), Person("bo", contact="b", away=AWAY, deputy="ann"),
        Person("guest"),
    )  # fmt: skip
    found = gaps(people, [thing("mia"), thing(None), thing("data_enginer"), thing("data_engineer")], DAY)
    assert [(gap.what, gap.about, gap.named) for gap in found] == [
        ("no owner", "flights", None), ("unknown owner", "flights", "data_enginer"), ("unknown role", "kim", "wizard"),
        ("unknown deputy", "lee", "gone"), ("nobody stands in", "ann", "bo"), ("nobody stands in", "bo", "ann"),
        ("no contact", "guest", None),
    ]  # fmt: skip
    assert (found[1].file, found[1].line) == ("tables/flights.sql", 1)


def test_two_who_stand_in_for_one_another_are_no_fault() -> None:
    people = (Person("ann", contact="a", deputy="bo"), Person("bo", contact="b", deputy="ann"))
    assert gaps(people, [], DAY) == []


def test_without_people_a_role_is_an_owner_and_a_name_is_not() -> None:
    assert gaps((), [thing("data_engineer")], DAY) == []
    [gap] = gaps((), [thing("mia")], DAY)
    assert gap.what == "unknown owner"
