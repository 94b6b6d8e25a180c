"""From somebody's own words to a question: by the words of both languages, forgiving a typing error."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rondo.handbook.questions.register import QUESTIONS
from rondo.language.words import Language
from rondo.project.reading import Project

LEAST = 0.3
"""Below this share of what was asked, nothing was understood."""
NEXT = 3
PART, TYPO = 0.8, 0.6
_WORD = re.compile(r"[a-z]+|\d+|[가-힣]+")
_COMMON = frozenset(
    re.findall(
        r"\S+",
        """
    a an and are as at be by can could did do does for from had has have how i in is it its me my of on one or our
    should so than that the their there these this to up was we what when which will with would you your
    하려면 무엇 무엇인가요 어떻게 있나요 하나요 되나요 해야 수 및 위한 의 를 을 이 가 은 는
        """,
    )
)
"""Words that say nothing about which question is meant."""


@dataclass(frozen=True)
class Match:
    """A question, and how much of what was asked it answers (0 to 1)."""

    number: int
    score: float


def matches(asked: str, project: Project | None = None) -> Sequence[Match]:
    """The questions that words lead to, the best first; those of no common word are left out.

    A word counts by its rarity among the questions: inverse document frequency (Spärck Jones, 1972). Names of the
    project's sources, tables and people lead to the questions about them.
    """
    wanted = _words(asked)
    if not wanted:
        return ()
    known = _indexed(_named(project))
    weights = {word: _weight(word, known) for word in wanted}
    whole = sum(weights.values())
    found = []
    for number, words in known.items():
        held = sum(weights[word] * max(_alike(word, other) for other in words) for word in wanted)
        if held > 0:
            found.append(Match(number, held / whole))
    return sorted(found, key=lambda match: (-round(match.score, 9), match.number))


def _named(project: Project | None) -> tuple[tuple[int, str], ...]:
    """Which question the names of a project lead to."""
    if project is None:
        return ()
    people = " ".join(f"{each.id} {each.name or ''}" for each in project.settings.people)
    return (
        (33, " ".join(project.sources)),
        (31, " ".join(project.tables)),
        (13, " ".join(project.testsets)),
        (34, people),
    )


@lru_cache(maxsize=8)
def _indexed(named: tuple[tuple[int, str], ...]) -> Mapping[int, frozenset[str]]:
    korean = Language("ko", "UTC")
    texts = {each.number: f"{each.text} {korean.known(each.text)} {each.keys}" for each in QUESTIONS}
    more: dict[int, str] = dict(named)
    return {number: frozenset(_words(f"{text} {more.get(number, '')}")) for number, text in texts.items()}


def _words(text: str) -> list[str]:
    """The words that say something; 10개월 is two of them."""
    every = _WORD.findall(text.casefold().replace("_", " "))
    return list(dict.fromkeys(word for word in every if word not in _COMMON)) or list(dict.fromkeys(every))


def _weight(word: str, known: Mapping[int, Iterable[str]]) -> float:
    held = sum(1 for words in known.values() if any(_alike(word, other) for other in words))
    return math.log(1 + len(known) / held) if held else math.log(1 + len(known))


@lru_cache(maxsize=65_536)
def _alike(asked: str, known: str) -> float:
    """1 for the same word, less for a part of it (an ending, a particle) and for a typing error, 0 for another."""
    if asked == known:
        return 1.0
    if asked.isdigit() or known.isdigit():
        return 0.0
    hangul = "가" <= known[0] <= "힣"
    shorter, longer = sorted((asked, known), key=len)
    if len(shorter) >= (2 if hangul else 4) and longer.startswith(shorter):
        return PART
    allowed = 0 if hangul or len(known) < 4 else 1 if len(known) < 8 else 2
    return TYPO if allowed and _edits(asked, known, allowed) <= allowed else 0.0


def _edits(a: str, b: str, most: int) -> int:
    """How many letters were added, left out, changed or swapped with the next (Damerau, 1964); `most` + 1 for more."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        earlier, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                row[j] = min(row[j], earlier[j - 2] + 1)
    return row[-1]
