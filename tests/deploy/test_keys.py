"""Keys: made once, kept as a digest, told from slips, revoked for a reason."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.deploy.keys import ALPHABET, ID, LENGTH, PREFIX, SECRET, draw, identity, listed, make, revoke, whole
from rondo.errors import NotFound, Refused, WrongUse
from rondo.records.deployment import ApiKey
from rondo.records.team import Decision
from rondo.store.ledger import open_ledger

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def ledger():
    return open_ledger("sqlite:///:memory:", clock=lambda: NOW, wall=lambda: NOW)


def made(ledger, name="shop", **more):
    return make(ledger, name, **{"scopes": ["predict"], "owner": "kim", "by": "lee", "now": NOW, **more})


def test_a_key_is_shown_once_and_its_digest_is_kept(ledger):
    record, key = made(ledger, scopes=["predict", "explain", "predict"], rate="5/s", lasts_s=90, because="the shop")
    (entry,) = ledger.entries(ApiKey)
    assert entry.record == record and entry.by == "lee"
    assert record.scopes == ["predict", "explain"] and record.expires == NOW + timedelta(seconds=90)
    assert record.sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert identity(key) == record.id and key not in str(ledger.rows("api_keys"))
    (decision,) = ledger.entries(Decision)
    assert (decision.record.name, decision.record.who, decision.record.why) == ("shop", "lee", "the shop")
    assert "kim" in decision.record.what and key[:20] not in decision.record.what


def test_keys_have_196_random_bits_and_never_repeat():
    drawn = {draw() for _ in range(2_000)}
    assert len(drawn) == 2_000 and len(ALPHABET) ** SECRET > 2**196
    assert all(len(key) == LENGTH and key.startswith(PREFIX) and whole(key) for key in drawn)
    places = list(zip(*drawn, strict=True))[len(PREFIX) : len(PREFIX) + ID]
    assert all(set(place) == set(ALPHABET) for place in places)  # 2,000 draws of 62: each is missed in 1e-14


@given(st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET), st.integers(0, LENGTH - 1))
def test_a_slip_of_one_character_is_told(place, character, cut):
    key = draw()
    slipped = key[:place] + character + key[place + 1 :]
    assert whole(slipped) == (slipped == key)
    assert not whole(key[:cut]) and not whole(key + "a")


def test_one_living_key_a_name(ledger):
    _, first = made(ledger)
    with pytest.raises(Refused, match="a living key shop"):
        made(ledger)
    revoke(ledger, "shop", because="rotated", by="lee", now=NOW)
    _, second = made(ledger, lasts_s=60)
    assert first != second
    with pytest.raises(Refused):
        made(ledger)
    assert made(ledger, now=NOW + timedelta(seconds=60))  # the second has expired


def test_revoked_for_a_reason_and_only_once(ledger):
    made(ledger)
    with pytest.raises(WrongUse, match="needs a reason"):
        revoke(ledger, "shop", because=" ", by="lee", now=NOW)
    revoke(ledger, "shop", because="it leaked", by="ada", now=NOW)
    with pytest.raises(Refused, match="revoked already"):
        revoke(ledger, "shop", because="again", by="ada", now=NOW)
    with pytest.raises(NotFound, match="there are: shop"):
        revoke(ledger, "shed", because="x", by="ada", now=NOW)
    assert [(e.record.what.split()[-1], e.record.who, e.record.why) for e in ledger.entries(Decision)][1:] == [
        ("revoked", "ada", "it leaked")
    ]


def test_the_list_says_how_each_stands(ledger):
    made(ledger, "c", lasts_s=60)
    made(ledger, "a")
    made(ledger, "b")
    revoke(ledger, "b", because="x", by="ada", now=NOW)
    later = NOW + timedelta(seconds=60)
    assert [(key.record.name, key.state, key.ended) for key in listed(ledger, later)] == [
        ("a", "live", None), ("b", "revoked", NOW), ("c", "expired", later),
    ]  # fmt: skip
    assert [key.state for key in listed(ledger, NOW)] == ["live", "revoked", "live"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "cannot be called"),
        ({"name": "two words"}, "cannot be called"),
        ({"name": "a\nb"}, "cannot be called"),
        ({"name": "Größe"}, "cannot be called"),
        ({"name": "a" * 61}, "cannot be called"),
        ({"scopes": []}, "opens nothing"),
        ({"scopes": ["predict", "destroy"]}, "no scope 'destroy'"),
        ({"scopes": ["any"]}, "no scope 'any'"),
    ],
)
def test_what_cannot_be(ledger, wrong, said):
    with pytest.raises(WrongUse, match=said):
        made(ledger, **wrong)
    assert ledger.count(ApiKey) == 0
