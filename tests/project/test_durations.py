from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import DeclarationError
from rondo.project.durations import seconds, written


@pytest.mark.parametrize(
    ("text", "length_s"),
    [("90s", 90), ("15m", 900), ("36h", 129_600), ("7d", 604_800), ("2w", 1_209_600), (" 1.5 h ", 5_400), ("0s", 0)],
)
def test_a_length_is_a_number_and_a_unit(text: str, length_s: int) -> None:
    assert seconds(text, "keep") == length_s


@pytest.mark.parametrize("text", ["", "36", "h", "-3h", "3 months", "1h30m", "٣h", "inf d", "1e3s", "9" * 400 + "d"])
def test_what_is_no_length_is_refused_by_the_name_of_the_setting(text: str) -> None:
    with pytest.raises(DeclarationError, match="keep is"):
        seconds(text, "keep")


@given(st.integers(0, 10**9))
def test_a_written_length_reads_back_the_same(length_s: int) -> None:
    assert seconds(written(length_s), "keep") == length_s


@pytest.mark.parametrize(
    ("length_s", "text"), [(129_600, "36h"), (604_800, "1w"), (86_400, "1d"), (61, "61s"), (0, "0s")]
)
def test_a_length_is_written_in_the_greatest_unit_that_divides_it(length_s: int, text: str) -> None:
    assert written(length_s) == text
