from __future__ import annotations

from datetime import date

import pytest

from rondo.errors import DeclarationError
from rondo.project.people import ALIASES, ROLES, Absence, Person, role_id
from rondo.project.settings import read_settings

HEAD = '[project]\nname = "p"\n'


def people(write, text: str) -> tuple[Person, ...]:
    return read_settings(write({"rondo.toml": HEAD + text})).people


def test_a_section_called_by_a_role_holds_it_and_others_hold_what_they_say(write) -> None:
    found = people(
        write,
        '[people.data_engineer]\nname = "Mia"\n'
        '[people.kim]\nrole = "ML Engineer"\ncontact = "kim@example.com"\n'
        '[people.lee]\nroles = ["research scientist", "data-analyst", "applied_scientist"]\nlanguage = "ko"\n'
        '[people.boss]\nrole = "wizard"\n[people.guest]\n',
    )
    assert {person.id: person.roles for person in found} == {
        "data_engineer": ("data_engineer",),
        "kim": ("ml_engineer",),
        "lee": ("applied_scientist", "data_analyst"),
        "boss": ("wizard",),
        "guest": (),
    }
    assert [person.reached for person in found[:2]] == ["Mia", "kim@example.com"]
    assert (found[2].language, found[3].called, found[4].reached) == ("ko", "boss", "guest")


@pytest.mark.parametrize("role", [*ROLES, *ROLES.values(), *ALIASES])
def test_every_role_is_known_however_it_is_spelled(role: str) -> None:
    assert role_id(role) in ROLES
    assert role_id(role.upper().replace("_", " ")) == role_id(role)


@pytest.mark.parametrize(
    ("away", "on", "covered"),
    [
        ('"2013-12-24 to 2013-12-27"', date(2013, 12, 24), True),
        ('"2013-12-24 to 2013-12-27"', date(2013, 12, 27), True),
        ('"2013-12-24 to 2013-12-27"', date(2013, 12, 28), False),
        ('"2013-12-24 to 2013-12-27"', date(2013, 12, 23), False),
        ('"2013-12-27"', date(2000, 1, 1), True),
        ("2013-12-27", date(2013, 12, 28), False),
    ],
)
def test_an_absence_holds_its_last_day(write, away: str, on: date, covered: bool) -> None:
    [person] = people(write, f"[people.mia]\naway = {away}\n")
    assert person.away is not None
    assert person.away.covers(on) is covered


def test_an_absence_may_have_begun() -> None:
    assert Absence(date(2013, 1, 1)).covers(date(1999, 1, 1))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[people.mia]\naway = 3\n", 4, "is 3, not a day or two"),
        ('[people.mia]\naway = "soon"\n', 4, "not a day or two"),
        ('[people.mia]\naway = "2013-12-27 to 2013-12-24"\n', 4, "ends before it begins"),
        ('[people.mia]\nlanguage = "fr"\n', 4, "not one of en, ko"),
        ("[people.mia]\nrole = 3\n", 4, "is 3, not a role"),
        ('[people.mia]\nrole = ["", "data_engineer"]\n', 4, "not a role"),
        ("[people.mia]\ndeputy = true\n", 4, "deputy is True, not text"),
    ],
)
def test_what_is_wrong_about_a_person_names_its_line(write, text: str, line: int, said: str) -> None:
    with pytest.raises(DeclarationError, match=said) as refused:
        people(write, text)
    assert (refused.value.file, refused.value.line) == ("rondo.toml", line)
