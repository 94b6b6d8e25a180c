from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.language.particles import with_particles


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("late@7[이/가]", "late@7이"),  # 칠
        ("late@2[이/가]", "late@2가"),  # 이
        ("late@10[은/는]", "late@10은"),  # 십 or 영: both end in a consonant
        ("날씨[을/를]", "날씨를"),
        ("항공편[을/를]", "항공편을"),
        ("서울[으로/로]", "서울로"),
        ("late@1[으로/로]", "late@1로"),  # 일
        ("late@3[으로/로]", "late@3으로"),  # 삼
        ("model[과/와]", "model과"),  # 모델
        ("model[으로/로]", "model로"),
        ("late[이/가]", "late가"),  # 레이트
        ("weather[을/를]", "weather를"),  # 웨더
        ("carrier[은/는]", "carrier는"),  # 캐리어
        ("table[은/는]", "table은"),  # 테이블
        ("time[이/가]", "time이"),  # 타임
        ("roc_auc[은/는]", "roc_auc는"),  # 에이유시
        ("EWR[은/는]", "EWR은"),  # 알
        ("JFK[은/는]", "JFK는"),  # 케이
        ("N[이/가]", "N이"),  # 엔
        ("L[으로/로]", "L로"),  # 엘
        ("data[은/는]", "data는"),
        ("<strong>late@7</strong>[이/가] 운영 중", "<strong>late@7</strong>이 운영 중"),
        ("weather (소스)[이/가]", "weather (소스)가"),
        ("«없음»[이/가]", "«없음»이"),
        ("3 %[이/가]", "3 %가"),  # 퍼센트
        ("no particle [1/2] here", "no particle [1/2] here"),
        ("", ""),
    ],
)
def test_the_sound_before_a_particle_chooses_it(written: str, read: str) -> None:
    assert with_particles(written) == read


@given(st.text())
def test_text_without_a_particle_stays_as_it_is(text: str) -> None:
    assert with_particles(text.replace("[", "(")) == text.replace("[", "(")


@given(st.text(alphabet="가각나라다 abc123@<>/b", min_size=0, max_size=12))
def test_every_particle_is_chosen(word: str) -> None:
    assert "[" not in with_particles(f"{word}[이/가]")
