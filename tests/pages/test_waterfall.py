from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from rondo.pages.waterfall import SHOWN, waterfall

numbers = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))


def drawn(base: float, steps: list[tuple[str, str, float]], total: float) -> str:
    return waterfall(
        base, steps, total, words=lambda v: f"{v:g}", signed=lambda v: f"{v:+g}", first="first",
        others=lambda n: f"{n} others", last="last", name="why",
    )  # fmt: skip


@given(base=numbers, added=st.lists(numbers, max_size=30))
def test_every_bar_begins_where_the_one_before_ended(base: float, added: list[float]) -> None:
    picture = drawn(base, [(f"f{n}", "1", each) for n, each in enumerate(added)], base + sum(added))
    bars = re.findall(r'<rect class="(up|down)" x="([\d.]+)" width="([\d.]+)"', picture)
    assert len(bars) == min(len(added), SHOWN + 1) and picture.count('class="total"') == 2
    shown = [*added[:SHOWN], *([sum(added[SHOWN:])] if len(added) > SHOWN else [])]
    assert [way for way, _, _ in bars] == ["up" if each >= 0 else "down" for each in shown]
    reached = None
    for way, left, width in bars:
        start, end = (
            (float(left), float(left) + float(width)) if way == "up" else (float(left) + float(width), float(left))
        )
        assert float(left) >= 300 and float(left) + float(width) <= 562
        assert reached is None or abs(start - reached) <= 1.2  # a bar is a pixel wide at least
        reached = end
    assert (f"{len(added) - SHOWN} others" in picture) is (len(added) > SHOWN)


def test_what_a_feature_is_called_cannot_break_the_page() -> None:
    picture = drawn(0.1, [("<script>", '"&', 0.2), ("a" * 80, "b" * 80, -0.1)], 0.2)
    assert "<script>" not in picture and "&lt;script&gt;" in picture
    assert "a" * 31 not in picture and "…" in picture
