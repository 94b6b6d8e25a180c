"""Who is let in: scopes, ends, rates, and that no way leads round the comparison of digests."""

from __future__ import annotations

import inspect
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.deploy import admission as module
from rondo.deploy.admission import NOBODY, Admission, Bucket
from rondo.deploy.keys import draw, make, revoke
from rondo.deploy.problems import Problem
from rondo.errors import StoreError
from rondo.project.rates import Rate
from rondo.store.ledger import open_ledger

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEEDS = ("predict", "explain", "outcome", "any")


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger():
    return open_ledger("sqlite:///:memory:", clock=lambda: NOW)


def made(ledger, name="shop", scopes=("predict",), **more):
    return make(ledger, name, scopes=scopes, owner="kim", by="kim", now=NOW, **more)[1]


def ask(admission, key, need="predict", at_s=0.0):
    headers = [(b"host", b"x")] if key is None else [(b"host", b"x"), (b"authorization", f"Bearer {key}".encode())]
    return admission.admit(need, {"headers": headers}, at_s)


def refused(admission, key, need="predict", at_s=0.0) -> Problem:
    with pytest.raises(Problem) as problem:
        ask(admission, key, need, at_s)
    return problem.value


def test_a_project_without_keys_is_open_to_its_own_machine_alone(ledger):
    at_home, outside = Admission(ledger), Admission(ledger, exposed=True)
    assert not at_home.guards and ask(at_home, None) is None
    assert outside.guards and refused(outside, None).status == 401


def test_the_first_key_closes_and_the_last_revoked_does_not_open_again(ledger):
    admission = Admission(ledger)
    key = made(ledger)
    admission.refresh()
    assert admission.guards and refused(admission, None).status == 401 and ask(admission, key) == "shop"
    revoke(ledger, "shop", because="it leaked", by="kim", now=NOW)
    admission.refresh()
    assert admission.guards and refused(admission, None).status == 401
    assert "revoked" in refused(admission, key).detail
    assert Admission(ledger).guards  # nor does a new start


@pytest.mark.parametrize("scope", ["predict", "explain", "outcome", "admin"])
def test_a_scope_opens_its_own_and_admin_all(ledger, scope):
    key = made(ledger, scopes=[scope])
    admission = Admission(ledger)
    for need in NEEDS:
        if need in (scope, "any") or scope == "admin":
            assert ask(admission, key, need) == "shop"
        else:
            problem = refused(admission, key, need)
            assert problem.status == 403 and f"'{need}'" in problem.detail
            assert f'scope="{need}"' in problem.headers["www-authenticate"]


def test_what_needs_nothing_is_open_whatever_is_shown(ledger):
    made(ledger)
    admission = Admission(ledger, exposed=True)
    assert ask(admission, None, None) is None and ask(admission, "nonsense", None) is None


@pytest.mark.parametrize(
    "header",
    [b"", b"Bearer", b"Bearer ", b"bearer x", b"Basic dTpw", b"Bearer rondo_", b"\xff\xfe", b"Bearer \xff\xfe"],
)
def test_other_headers_are_refused_with_a_challenge(ledger, header):
    made(ledger)
    with pytest.raises(Problem) as problem:
        Admission(ledger).admit("any", {"headers": [(b"authorization", header)]}, 0.0)
    assert problem.value.status == 401
    assert problem.value.headers["www-authenticate"].startswith('Bearer realm="rondo"')


def test_the_scheme_is_read_in_any_case_and_blanks_do_not_matter(ledger):
    key = made(ledger).encode()
    for header in (b"bearer " + key, b"BEARER " + key, b"Bearer  " + key + b" "):
        assert Admission(ledger).admit("predict", {"headers": [(b"authorization", header)]}, 0.0) == "shop"


def test_a_slip_is_told_from_an_unknown_key_and_neither_is_repeated(ledger):
    key = made(ledger)
    admission = Admission(ledger)
    for wrong, said in ((key[:-1], "lost or changed"), (draw(), "not known"), (key.swapcase(), "lost or changed")):
        problem = refused(admission, wrong)
        assert said in problem.detail and 'error="invalid_token"' in problem.headers["www-authenticate"]
        assert wrong[8:] not in problem.body("/").decode() + str(problem.headers)


def test_another_key_with_a_known_id_is_refused(ledger):
    key, other = made(ledger), draw()
    assert refused(Admission(ledger), key[:15] + other[15:]).status == 401


def test_a_key_ends_at_its_moment_without_a_look_at_the_ledger(ledger, clock):
    key = made(ledger, lasts_s=60)
    admission = Admission(ledger, clock=clock)
    clock.now = NOW + timedelta(seconds=59.9)
    assert ask(admission, key) == "shop"
    clock.now = NOW + timedelta(seconds=60)
    assert "expired" in refused(admission, key).detail


def test_while_the_ledger_does_not_answer_the_keys_before_hold(ledger):
    key = made(ledger)

    class Gone:
        def latest(self, kind):
            raise StoreError("gone")

    admission = Admission(ledger)
    admission._ledger = Gone()
    with pytest.raises(StoreError):
        admission.refresh()
    assert ask(admission, key) == "shop" and refused(admission, draw()).status == 401
    with pytest.raises(StoreError):
        Admission(Gone())


def test_every_key_is_compared_whole_also_when_there_is_none():
    """By structure: there is one comparison, it takes the same time for any digest, and nothing comes before it."""
    text = inspect.getsource(Admission.admit)
    assert text.count("compare_digest(") == 1 and module.compare_digest is __import__("hmac").compare_digest
    before = text[text.index("key = ") : text.index("compare_digest(")]
    assert "return" not in before and "raise" not in before and "NOBODY" in before
    assert len(NOBODY.sha256) == 32 and not NOBODY.opens


def test_a_rate_of_a_key_and_the_default(ledger):
    own, other = made(ledger, "own", rate="2/m"), made(ledger, "other")
    admission = Admission(ledger, rate=Rate(3, "m"))
    for key, room in ((own, 2), (other, 3)):
        for _ in range(room):
            assert ask(admission, key, at_s=100.0)
        problem = refused(admission, key, at_s=100.0)
        assert problem.status == 429 and problem.headers["retry-after"] == str(60 // room)
        assert ask(admission, key, at_s=100.0 + 60 / room)
    made(ledger, "third")
    admission.refresh()
    assert refused(admission, own, at_s=131.0).status == 429  # what others' keys do fills no bucket


def test_wrong_keys_spend_nothing_of_a_holder(ledger):
    key = made(ledger, rate="1/h")
    admission = Admission(ledger)
    for _ in range(5):
        assert refused(admission, key[:15] + draw()[15:]).status == 401
    assert refused(admission, key, "explain").status == 403
    assert ask(admission, key) == "shop"


def test_without_keys_the_rate_holds_for_all_together(ledger):
    admission = Admission(ledger, rate=Rate(2, "h"))
    assert admission.guards
    assert [ask(admission, None), ask(admission, None)] == [None, None]
    assert refused(admission, None).status == 429
    assert ask(admission, None, None) is None  # but for health


OWN = (b"localhost", b"LOCALHOST:8700", b"127.0.0.1:8700", b"127.5.5.5", b"[::1]:8700", b"[::1]")
STRANGE = (
    b"evil.example",
    b"localhost.evil.example:8700",
    b"10.0.0.1",
    b"[2001:db8::1]:80",
    b"",
    b"127.0.0.1.evil",
    b"[::1",
)


def test_without_keys_only_programs_of_this_machine_are_answered(ledger):
    admission = Admission(ledger, local=True)
    assert admission.guards

    def asked(*headers: tuple[bytes, bytes], need="any") -> int:
        try:
            admission.admit(need, {"headers": [*headers]}, 0.0)
        except Problem as problem:
            return problem.status
        return 200

    for _ in range(2):  # known names are remembered, others are not
        for host in OWN:
            assert asked((b"host", host)) == asked((b"host", host), (b"origin", b"http://" + host)) == 200
        for host in (*STRANGE[:-1], b"null"):
            assert asked((b"host", host)) == 403
            assert asked((b"host", OWN[0]), (b"origin", b"https://" + host)) == 403
        assert asked((b"host", OWN[0]), (b"origin", b"null")) == 403
        assert asked((b"host", b"evil.example"), need=None) == 200 and asked() == 200
    key = made(ledger)
    admission.refresh()
    assert admission.admit(
        "predict", {"headers": [(b"host", b"evil.example"), (b"authorization", b"Bearer " + key.encode())]}, 0.0
    )


def test_each_worker_gives_out_its_part(ledger):
    admission = Admission(ledger, rate=Rate(6, "h"), workers=3)
    assert [ask(admission, None), ask(admission, None)] == [None, None]
    assert refused(admission, None).headers["retry-after"] == "1800"


@given(
    st.integers(1, 50), st.sampled_from("smh"), st.integers(1, 4),
    st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=60),
)  # fmt: skip
def test_a_bucket_never_gives_more_than_its_room_and_what_flowed_in(requests, unit, workers, gaps):
    rate = Rate(requests, unit)
    bucket = Bucket(rate, workers)
    room, per_second = max(1.0, requests / workers), rate.per_second / workers
    at, passed = 0.0, []
    for gap in gaps:
        at += gap
        wait = bucket.take(at)
        if wait == 0:
            passed.append(at)
        else:
            assert wait <= 1 / per_second * (1 + 1e-9)
            assert math.isclose(bucket.take(at), wait)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= room + (passed[last] - passed[first]) * per_second + 1e-6
