"""Columns that look as if they held personal data: by what they are called, and by what their profile shows of them.

A rule of thumb that errs on the side of asking: names and values are looked at, no row is read, and nothing is sure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from rondo.records.tables import ColumnProfile

Kind = Literal["e-mail", "phone", "name", "card number", "national id", "birth date", "address", "ip address"]
ENOUGH = 0.5
"""This share of the frequent values has to read so; one that happens to proves nothing."""
_NAMED: Mapping[Kind, str] = {
    "e-mail": r"e_?mail(_?addr(ess)?)?",
    "phone": r"(tele)?phone(_?(no|nr|number))?|mobile(_?(no|number))?|cell_?phone|msisdn|fax",
    "name": r"(first|last|full|given|family|sur|maiden|user|customer|patient|guest|employee)_?name",
    "card number": r"(credit_?)?card_?(no|nr|num|number)|pan|iban|account_?(no|nr|number)",
    "national id": r"ssn|social_?security(_?(no|number))?|passport(_?(no|number))?|national_?id|tax_?id|rrn",
    "birth date": r"birth_?(date|day)|date_?of_?birth|dob",
    "address": r"(street|home|postal|mailing)_?address|street|address(_?line)?_?\d?",
    "ip address": r"ip(_?addr(ess)?)?|ipv[46]|client_?ip|remote_?addr",
}
_NAMES: Mapping[Kind, re.Pattern[str]] = {kind: re.compile(text, re.IGNORECASE) for kind, text in _NAMED.items()}
_SHAPED: Mapping[Kind, re.Pattern[str]] = {
    "e-mail": re.compile(r"[^\s@<>]+@[^\s@<>]+\.[a-z]{2,}", re.IGNORECASE),
    "card number": re.compile(r"(?:\d[ -]?){12,18}\d"),
    "national id": re.compile(r"\d{3}-\d{2}-\d{4}|\d{6}-[1-8]\d{6}"),
    "phone": re.compile(r"\+\d[\d ().-]{7,17}\d|\(?0\d{1,3}\)?[ .-]\d{3,4}[ .-]?\d{3,4}|\(\d{3}\) ?\d{3}-\d{4}"),
    "ip address": re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)"),
}


@dataclass(frozen=True)
class Suspicion:
    """A column that may hold personal data, of which kind, and what says so."""

    column: str
    kind: Kind
    because: Literal["its name", "its values"]


def suspected(columns: Iterable[ColumnProfile]) -> list[Suspicion]:
    """The columns of a profile that look personal, each once: by its values where these say so, else by its name."""
    found = []
    for column in columns:
        by_values, by_name = _of_values(column), _of_name(column.name)
        if by_values is not None:
            found.append(Suspicion(column.name, by_values, "its values"))
        elif by_name is not None:
            found.append(Suspicion(column.name, by_name, "its name"))
    return found


def _of_name(name: str) -> Kind | None:
    return next((kind for kind, named in _NAMES.items() if named.fullmatch(name)), None)


def _of_values(column: ColumnProfile) -> Kind | None:
    values = [str(each.value).strip() for each in column.top or () if isinstance(each.value, str | int)]
    if not values:
        return None
    for kind, shape in _SHAPED.items():
        is_so: Callable[[str], bool] = _is_card if kind == "card number" else lambda _: True
        alike = sum(1 for value in values if shape.fullmatch(value) and is_so(value))
        if alike / len(values) > ENOUGH:
            return kind
    return None


def _is_card(value: str) -> bool:
    """Whether digits add up as those of a card do (Luhn, 1960)."""
    digits = [int(each) for each in value if each.isdigit()][::-1]
    doubled = [2 * each - 9 * (each > 4) for each in digits[1::2]]
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0
