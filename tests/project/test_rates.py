from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import DeclarationError
from rondo.project.rates import Rate, parse_rate


@given(st.integers(1, 999_999_999), st.sampled_from("smh"))
def test_a_rate_reads_back_as_it_is_written(requests: int, unit: str) -> None:
    assert parse_rate(str(Rate(requests, unit)), "rate") == Rate(requests, unit)


def test_a_rate_is_so_many_in_its_unit() -> None:
    assert parse_rate(" 600 / m ", "rate") == Rate(600, "m")
    assert [Rate(3600, unit).per_second for unit in "smh"] == [3600, 60, 1]


@pytest.mark.parametrize(
    "text", ["", "100", "0/s", "-1/s", "1.5/s", "100/d", "/s", "1/s/s", 100, None, "١/s", "9" * 10 + "/s"]
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(DeclarationError, match=r"--rate is .* not a rate"):
        parse_rate(text, "--rate")
