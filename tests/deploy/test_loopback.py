from __future__ import annotations

import json
import threading

import pytest

from rondo.deploy.loopback import Loopback, served
from rondo.deploy.predictions import stream_of
from rondo.deploy.rollout import promote
from rondo.deploy.traffic import Traffic
from rondo.errors import Broken

PREDICT = "/v1/models/late/predict"


@pytest.fixture
def traffic(place, now):
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    made = Traffic(place.project, place.store, ids="derived")
    made.refresh()
    return made


def body(place, number):
    return json.dumps({"rows": [place.request(number)]}, default=str).encode()


def test_what_is_asked_over_http_is_answered_and_logged(place, traffic):
    with served(traffic, place.store) as asking:
        answers = [asking.post(PREDICT, body(place, number)) for number in range(20)]
        assert {status for status, _ in answers} == {200}
        status, refused = asking.post(PREDICT, b'{"rows": [{"unknown": 1}]}')
        assert (status, json.loads(refused)["status"]) == (422, 422)
    assert len(list(place.store.log.read(stream_of("late")))) == 20


def test_a_promotion_is_picked_up_between_requests(place, traffic, now):
    place.add_version(seed=5)
    with served(traffic, place.store) as asking:
        before = json.loads(asking.post(PREDICT, body(place, 0))[1])
        promote(place.store, place.project, "late", 2, "production", because=None, by="kim", now=now)
        traffic.refresh()
        after = json.loads(asking.post(PREDICT, body(place, 0))[1])
    assert (before["version"], after["version"]) == ("late@1", "late@2")


def test_it_ends_when_it_is_left(place, traffic):
    with served(traffic, place.store) as asking:
        port = asking._connection.port
    assert not [thread for thread in threading.enumerate() if thread.name == "loopback"]
    with pytest.raises(Broken):
        Loopback(port).post(PREDICT, body(place, 0))
