"""Korean particles that follow how the word before them ends: `late@7[이/가]` is read late@7이.

A catalogue writes `[with a final consonant/without]`; the sound decides, of letters and digits as Koreans read them.
"""

from __future__ import annotations

import re

_WRITTEN = re.compile(r"((?:<[^<>]*>|[)\]\"'”’」…\s])*)\[([가-힣]+)/([가-힣]+)\]")
_FIRST_SYLLABLE, _LAST_SYLLABLE, _FINALS = 0xAC00, 0xD7A3, 28
_RIEUL = 8  # ㄹ takes 로, not 으로
# Read 영 일 이 삼 사 오 육 칠 팔 구.
_CLOSED, _CLOSED_BY_RIEUL = set("0136"), set("178")
_WORD = re.compile(r"[A-Za-z]+$")


def with_particles(text: str) -> str:
    """`text` with each particle chosen; markup and closing signs between a word and its particle are passed over."""
    if "[" not in text:
        return text
    done, at = [], 0
    for found in _WRITTEN.finditer(text):
        done.append(text[at : found.start()])
        between, closed, opened = found.groups()
        final = _final("".join(done))
        use_closed = final == "consonant" or (final == "rieul" and closed != "으로")
        done += [between, closed if use_closed else opened]
        at = found.end()
    return "".join(done) + text[at:]


def _final(text: str) -> str:
    """How the last sound of `text` ends: `consonant`, `rieul` or `vowel`."""
    bare = re.sub(r"(?:<[^<>]*>|[^\w%])+$", "", text)  # % is read 퍼센트
    last = bare[-1:] or " "
    if _FIRST_SYLLABLE <= ord(last) <= _LAST_SYLLABLE:
        final = (ord(last) - _FIRST_SYLLABLE) % _FINALS
        return "vowel" if final == 0 else "rieul" if final == _RIEUL else "consonant"
    if word := _WORD.search(bare):
        return _final_of_latin(word[0])
    if last in _CLOSED_BY_RIEUL:
        return "rieul"
    return "consonant" if last in _CLOSED else "vowel"


def _final_of_latin(word: str) -> str:
    """How Koreans end a Latin word: read as one (model 모델, table 테이블, weather 웨더, late 레이트), or by the names
    of its letters, where it stands in capitals or alone (EWR 이더블유알, JFK 제이에프케이).
    """
    if len(word) == 1 or word.isupper():
        last = word[-1].lower()
        return "rieul" if last in "lr" else "consonant" if last in "mn" else "vowel"
    if word.endswith(("l", "le")):
        return "rieul"
    return "consonant" if word.endswith(("m", "n", "me", "ne", "ng")) else "vowel"
