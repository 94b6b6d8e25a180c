"""Who works on a project: `[people.ID]` of `rondo.toml`, and the roles along the loop."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from rondo.errors import DeclarationError

ROLES: Mapping[str, str] = {
    "product_manager": "product manager",
    "engineering_manager": "engineering manager",
    "data_engineer": "data engineer",
    "data_analyst": "data analyst",
    "data_scientist": "data scientist",
    "applied_scientist": "applied scientist",
    "ml_engineer": "ML engineer",
    "ml_developer": "ML developer",
    "devops_engineer": "DevOps engineer",
}
"""The roles along the loop, as `rondo.toml` spells them and as people read them."""
ALIASES: Mapping[str, str] = {
    "research_scientist": "applied_scientist",
    "research_or_applied_scientist": "applied_scientist",
}
PERSON_KEYS: Mapping[str, str] = {
    "name": "what people call them",
    "contact": "where to reach them",
    "role": "their role along the loop, or a list of roles, if not the id: " + ", ".join(ROLES),
    "deputy": "the ID of who stands in while they are away",
    "away": 'the last day of an absence (`"2026-12-31"`), or its first and last (`"2026-12-24 to 2026-12-31"`)',
    "language": "what they read: en or ko",
}
Wrong = Callable[[str, str | None, str, str], DeclarationError]


@dataclass(frozen=True)
class Absence:
    """Days on which somebody is away, the last one among them; without a first day it has begun."""

    until: date
    start: date | None = None

    def covers(self, day: date) -> bool:
        """Whether that day is one of them."""
        return day <= self.until and (self.start is None or self.start <= day)


@dataclass(frozen=True)
class Person:
    """Someone who owns things; `id` is the section's name in the file, often a role.

    `roles` are those of `ROLES` in plain spelling, and others as they were written; a section that is called by a role
    and names none holds that one.
    """

    id: str
    name: str | None = None
    contact: str | None = None
    roles: tuple[str, ...] = ()
    deputy: str | None = None
    away: Absence | None = None
    language: str | None = None

    @property
    def called(self) -> str:
        """Their name, or the id where they have none."""
        return self.name or self.id

    @property
    def reached(self) -> str:
        """Name and contact, as far as known."""
        return ", ".join(part for part in (self.name, self.contact) if part) or self.id


def role_id(written: str) -> str:
    """A role as `ROLES` spells it: `ML Engineer` is `ml_engineer`; what is none of them stays as it is written."""
    plain = re.sub(r"[\s\-/]+", "_", written.strip().casefold())
    plain = ALIASES.get(plain, plain)
    return plain if plain in ROLES else written.strip()


def read_people(written: object, wrong: Wrong) -> tuple[Person, ...]:
    """The people in `[people.ID]`; raises what `wrong(section, key, what, next_step)` makes."""
    if not isinstance(written, Mapping):
        raise wrong("people", None, "is not a section", "Write [people.data_engineer].")
    return tuple(_person(str(identity), values, wrong) for identity, values in written.items())


def _person(identity: str, values: object, wrong: Wrong) -> Person:
    section = f"people.{identity}"
    if not isinstance(values, Mapping):
        raise wrong("people", identity, "is not a person", f"Write [{section}] with name and contact.")
    for key in values:
        if key not in (*PERSON_KEYS, "roles"):
            raise wrong(section, key, f"is unknown; there are: {', '.join(PERSON_KEYS)}", "Use one of these.")

    def text(key: str) -> str | None:
        value = values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise wrong(section, key, f"is {value!r}, not text", f'Write {key} = "…".')
        return value

    language = text("language")
    if language not in (None, "en", "ko"):
        raise wrong(section, "language", f"is {language!r}, not one of en, ko", 'Write language = "en".')
    roles = _roles(section, values, wrong)
    alone = role_id(identity)
    return Person(
        identity,
        text("name"),
        text("contact"),
        roles or ((alone,) if alone in ROLES else ()),
        text("deputy"),
        _absence(section, values.get("away"), wrong),
        language,
    )


def _roles(section: str, values: Mapping[str, object], wrong: Wrong) -> tuple[str, ...]:
    found: list[str] = []
    for key in ("role", "roles"):
        value = values.get(key, [])
        listed = value if isinstance(value, list) else [value]
        for role in listed:
            if not isinstance(role, str) or not role.strip():
                raise wrong(section, key, f"is {value!r}, not a role", 'Write role = "data_engineer", or a list.')
            found.append(role_id(role))
    return tuple(dict.fromkeys(found))


def _absence(section: str, value: object, wrong: Wrong) -> Absence | None:
    if value is None:
        return None
    days = [str(value)] if isinstance(value, date) else str(value).split(" to ")
    try:
        first, last = date.fromisoformat(days[0].strip()), date.fromisoformat(days[-1].strip())
    except ValueError as error:
        raise wrong(
            section, "away", f"is {value!r}, not a day or two", 'Write away = "2026-12-24 to 2026-12-31".'
        ) from error
    if len(days) > 2 or last < first:
        raise wrong(section, "away", f"ends before it begins: {value!r}", 'Write away = "2026-12-24 to 2026-12-31".')
    return Absence(last, first if len(days) == 2 else None)
