from __future__ import annotations

from datetime import timedelta

import pytest

from rondo.deploy.resolving import load, resolve, signature_of
from rondo.deploy.rollout import promote
from rondo.errors import NotFound, StoreError, WrongUse
from rondo.records.development import Version

ZONE = "America/New_York"


@pytest.fixture
def rolled(place, now):
    """late@1 in production from 1 July, late@2 from 3 July at noon; late@3 is the newest."""
    for _ in range(2):
        place.add_version()
    for version, days in ((1, 0), (2, 2)):
        moment = now + timedelta(days=days)
        promote(place.store, place.project, "late", version, "production", because=None, by="kim", now=moment)
    return place


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("late", 2), ("late@1", 1), ("late@3", 3), ("late@production", 2),
        ("late@2013-07-01", 1), ("late@2013-07-02", 1), ("late@2013-07-03", 2), ("late@2013-07-03T07:59:59", 1),
        ("late@2013-07-03T08:00:00", 2), ("late@2013-07-03T12:00:00Z", 2),
    ],
)  # fmt: skip
def test_names_of_versions(rolled, text, version):
    assert resolve(rolled.store.ledger, text, timezone=ZONE) == ("late", version)


def test_as_of_a_moment(rolled, now):
    until = now + timedelta(days=1)
    assert resolve(rolled.store.ledger, "late", timezone=ZONE, until=until) == ("late", 1)
    assert resolve(rolled.store.ledger, "late@2020-01-01", timezone=ZONE, until=until) == ("late", 1)


def test_without_a_production_the_newest(place):
    place.add_version()
    assert resolve(place.store.ledger, "late", timezone=ZONE) == ("late", 2)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("later", NotFound, "late"),
        ("late@9", NotFound, "late@1, late@2, late@3"),
        ("late@canary", NotFound, "late@2 \\(production\\)"),
        ("late@2013-06-01", NotFound, "Nothing of late"),
        ("late@0", WrongUse, "no number, role or moment"),
        ("late@", WrongUse, "no number, role or moment"),
        ("late@soon", WrongUse, "no number, role or moment"),
    ],
)
def test_misses_say_what_there_is(rolled, text, error, says):
    with pytest.raises(error, match=says):
        resolve(rolled.store.ledger, text, timezone=ZONE)


def test_loading_checks_every_file_and_keeps_the_last(place):
    assert load(place.store, place.project, "late", 1) is load(place.store, place.project, "late", 1)
    assert signature_of(place.store, "late", 1) == place.signature
    number = place.add_version(seed=9)
    digest = place.store.ledger.latest(Version, name="late", version=number).record.files["model.txt"]
    path = place.root / ".rondo/artifacts" / digest[:2] / digest
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    with pytest.raises(StoreError, match="was changed"):
        load(place.store, place.project, "late", number)
    with pytest.raises(NotFound, match="late@1"):
        load(place.store, place.project, "late", 7)
