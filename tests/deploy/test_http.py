"""Bodies within bounds: size, depth, rows."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.deploy.http import DEEPEST, DRAINED, Gone, read_body, refuse_deep, refuse_many
from rondo.deploy.problems import Problem


def deep(body: bytes) -> bool:
    try:
        refuse_deep(body)
    except Problem as problem:
        assert problem.status == 400 and problem.code == "too_deep" and problem.errors
        return True
    return False


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@st.composite
def nested(draw):
    """JSON about as deep as may be, with brackets in its texts and others beside its levels."""
    texts = st.text(alphabet='[]{}"\\a', max_size=30)
    value = draw(st.none() | st.integers() | texts)
    for _ in range(draw(st.integers(DEEPEST - 4, DEEPEST + 4))):
        beside = draw(st.none() | texts | st.lists(st.lists(texts, max_size=2), max_size=2))
        value = draw(st.sampled_from([[value], [beside, value], {"a": value}, {draw(texts): beside, "b": value}]))
    return value


@settings(max_examples=60)
@given(nested())
def test_the_limit_is_the_depth_whatever_the_texts_hold(value):
    assert deep(msgspec.json.encode(value)) == (depth(value) > DEEPEST)


@given(st.binary(max_size=400) | st.text(alphabet='[]{}"\\,', max_size=400).map(str.encode))
def test_junk_is_left_to_the_decoder_or_refused(body):
    deep(body)


def test_what_is_merely_cut_off_is_for_the_decoder_to_tell():
    rows = msgspec.json.encode({"rows": [{"a": 1} for _ in range(1000)]})
    assert not deep(rows) and not deep(rows[:-1]) and not deep(rows[:5000])


@pytest.mark.parametrize(
    "body",
    [
        b"[" * (10 << 20),
        b"[[]" * (3 << 20),
        b"[" * 40 + b'"' + b'\\"' * (5 << 20),
        b'"' * (10 << 20),
        (b"[" * 33 + b"]" * 33) * 150_000,
        b"[" * 40 + b'"\\' * (5 << 20),
    ],
    ids=range(6),
)
def test_no_body_takes_long_to_examine(body):
    began = time.process_time()
    deep(body)
    assert time.process_time() - began < 2


def body_of(*parts: bytes | None, largest: int = 10) -> tuple[bytes, int]:
    """What is read of a body that comes in parts, and how many of them were; None: the client leaves."""
    taken = 0

    async def receive():
        nonlocal taken
        part = parts[taken]
        taken += 1
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": taken < len(parts)}

    return asyncio.run(read_body(receive, largest)), taken


def test_a_body_is_read_whole_or_refused():
    assert body_of(b"") == (b"", 1)
    assert body_of(b"x" * 10) == (b"x" * 10, 1)
    assert body_of(b"12345", b"", b"67890") == (b"1234567890", 3)
    for parts in ([b"x" * 11], [b"x" * 6, b"x" * 5], [b"x" * 5, b"x" * 5, b"x"]):
        with pytest.raises(Problem, match="at most 10 bytes") as problem:
            body_of(*parts)
        assert problem.value.status == 413
    with pytest.raises(Gone):
        body_of(b"123", None)
    endless = [b"x" * 10] * 1000
    with pytest.raises(Problem):
        body_of(*endless)
    assert DRAINED < 10  # of the thousand parts only so many are waited for


def test_rows_are_counted():
    refuse_many(3, 3)
    with pytest.raises(Problem, match="has 4; a request has at most 3") as problem:
        refuse_many(4, 3)
    assert problem.value.status == 413 and problem.value.errors[0][0] == "rows"
