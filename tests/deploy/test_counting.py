"""What is counted comes out again, in both formats, as Prometheus' own parsers read it."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from rondo.deploy.answering import Spent
from rondo.deploy.board import Board
from rondo.deploy.counting import MOST, Counts, Histogram
from rondo.deploy.exposition import BOUNDS_S, FAMILIES, OPENMETRICS, TEXT, counted, exposition, merged
from rondo.deploy.rollout import promote
from rondo.deploy.serving import Application
from rondo.deploy.traffic import Traffic
from rondo.deploy.vitals import log_waiting, shares

PREDICT = "/v1/models/late/predict"
NASTY = st.text(max_size=12) | st.sampled_from(['a"b', "back\\slash", "two\nlines", "항공", "}", " "])


def values(text, read=read_text):
    """Every sample of a scrape: name and labels, without the label's order."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read(text)
        for sample in family.samples
    }


def of(found, name, **labels):
    return found[name, frozenset(labels.items())]


def answer(version=1, role="production", missing=0, stale=0, fed=(), inputs=None):
    return SimpleNamespace(version=version, role=role, missing=missing, stale=stale, fed=fed, inputs=inputs or {})


def at_work(*answerers, model="late"):
    return SimpleNamespace(
        model=model, answerers=dict(zip(("production", "canary", "shadow"), answerers, strict=False))
    )


@given(st.lists(st.floats(0, 20), max_size=40))
def test_a_histogram_holds_everything_once(seconds):
    histogram = Histogram()
    for each in seconds:
        histogram.add(each)
    buckets, total = histogram.value()
    assert sum(buckets) == len(seconds) and math.isclose(total, sum(seconds))
    for bound, below in zip(BOUNDS_S, (sum(buckets[: n + 1]) for n in range(len(BOUNDS_S))), strict=True):
        assert below == sum(each <= bound for each in seconds)


@settings(max_examples=60)
@given(st.lists(st.tuples(NASTY, st.sampled_from([200, 404, 503]), st.floats(0, 3)), max_size=8), NASTY)
def test_both_formats_say_what_was_counted(requests, caller):
    counts = Counts()
    for route, status, seconds in requests:
        counts.request(route, status, seconds)
        if status >= 400:
            counts.error(route, "not_found")
    counts.predicted(at_work(), [answer(), answer(2, "canary")], Spent(), caller)
    counts.explained("late", 3), counts.outcomes(7)
    samples = counts.samples()
    plain = values(exposition(samples))
    fine = values(exposition(samples, openmetrics=True), read_openmetrics)
    for found in (plain, fine):
        for route, status in {(route, status) for route, status, _ in requests}:
            times = sum((r, s) == (route, status) for r, s, _ in requests)
            assert of(found, "rondo_requests_total", route=route, status=str(status)) == times
        for route in {route for route, _, _ in requests}:
            assert of(found, "rondo_request_seconds_count", route=route) == sum(r == route for r, _, _ in requests)
        assert of(found, "rondo_predictions_total", model="late", version="late@2", role="canary") == 1
        assert of(found, "rondo_caller_predictions_total", caller=caller, model="late") == 2
        assert of(found, "rondo_explanations_total", model="late") == 3 and of(found, "rondo_outcomes_total") == 7
    assert plain == fine


def test_every_family_has_words_a_unit_and_a_sample_in_a_scrape(place, now):
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    traffic = Traffic(place.project, place.store)
    traffic.refresh()
    application = Application(traffic, place.store)

    async def ask():
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await client.post(PREDICT, json={"rows": [place.request(1, tailnum="none", distance=None)]})
            await client.post(PREDICT, json={"rows": [{"colour": 1}]})
            await client.post("/v1/models/late/explain", json={"rows": [place.request(1)]})
            openmetrics = {"accept": "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"}
            return await client.get("/metrics"), await client.get("/metrics", headers=openmetrics)

    plain, fine = asyncio.run(ask())
    assert plain.headers["content-type"].encode() == TEXT and fine.headers["content-type"].encode() == OPENMETRICS
    found = values(plain.text)
    names = {name for name, _ in found}
    told = {family.name for family in FAMILIES}
    there = {n.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for n in names}
    assert there == told - {"rondo_caller_predictions_total"}  # no keys here
    assert all(family.help for family in FAMILIES)
    assert of(found, "rondo_errors_total", route="predict", reason="unknown_field") == 1
    assert of(found, "rondo_missing_values_total", model="late", table="request") == 1
    assert of(found, "rondo_missing_values_total", model="late", table="planes") == 1
    assert of(found, "rondo_stale_lookups_total", model="late", table="planes") == 1
    assert of(found, "rondo_explanations_total", model="late") == 1
    assert of(found, "rondo_version_share_ratio", model="late", version="late@1", role="production") == 1
    assert of(found, "rondo_log_waiting_bytes", model="late") > 0 and of(found, "rondo_ready") == 1
    assert of(found, "rondo_resident_memory_bytes", worker="0") > 1e7
    stages = {stage: of(found, "rondo_stage_seconds_sum", model="late", stage=stage) for stage in
              ("parse", "look_up", "predict", "record")}  # fmt: skip
    assert all(stages.values()) and sum(stages.values()) <= of(found, "rondo_request_seconds_sum", route="predict")
    assert set(values(fine.text, read_openmetrics)) >= set(found)


def test_what_waits_in_the_log_is_gone_once_it_has_landed(place, now):
    from datetime import timedelta

    from rondo.deploy.answering import Answerer
    from rondo.deploy.predictions import compact, record
    from rondo.deploy.resolving import load

    answerer = Answerer(load(place.store, place.project, "late", 1), place.online_values(), 1)

    def waiting(at):
        found = log_waiting(place.store, ["late"], at)
        return found["rondo_log_waiting_bytes"]["late",], found["rondo_log_waiting_seconds"]["late",]

    assert waiting(now) == (0, 0)
    wall = place.store.clock()
    record(place.store.log, "late", answerer.answer([place.request(1)], now=now), caller=None, latency_ms=None)
    size, seconds = waiting(wall + timedelta(hours=2))
    assert size > 100 and seconds == pytest.approx(7200, abs=5)
    compact(place.store, place.signature, by="kim", now=wall + timedelta(hours=1))
    assert waiting(wall + timedelta(hours=2)) == (0, 0)
    record(place.store.log, "late", answerer.answer([place.request(2)], now=now), caller=None, latency_ms=None)
    again, seconds = waiting(wall + timedelta(hours=2))
    assert 0 < again <= size + 50 and seconds <= 3601  # in a segment begun before the landing


def test_shares_say_what_each_version_answers():
    def entry(version, share):
        return SimpleNamespace(record=SimpleNamespace(version=version, share=share))

    working = SimpleNamespace(roles={"production": entry(1, 1.0), "canary": entry(2, 0.25), "shadow": entry(3, 0.0)})
    assert shares({"late": working})["rondo_version_share_ratio"] == {
        ("late", "late@1", "production"): 0.75, ("late", "late@2", "canary"): 0.25, ("late", "late@3", "shadow"): 0.0,
    }  # fmt: skip


def test_labels_are_bounded():
    counts = Counts()
    for number in range(3 * MOST):
        counts.predicted(at_work(), [answer(number)], Spent(), f"caller {number}")
    samples = counts.samples()
    assert len(samples["rondo_predictions_total"]) == MOST + 1 == len(samples["rondo_caller_predictions_total"])
    assert sum(samples["rondo_predictions_total"].values()) == 3 * MOST
    assert samples["rondo_predictions_total"]["late", "other", "production"] == 2 * MOST
    assert Board(1).seat(0).write(samples)


def test_stale_lookups_are_never_told_more_often_than_they_were():
    from rondo.features.signature import Column, Lookup

    lookups = [
        Lookup(table=name, prefix=name, definition="x", on=(("k", "k"),), key_types=("BIGINT",),
               columns=(Column(name="c", type="DOUBLE"),)) for name in ("one", "two")
    ]  # fmt: skip
    fed = (Column(name="one.c", type="DOUBLE"), Column(name="two.c", type="DOUBLE"))
    answerer = SimpleNamespace(version=1, signature=SimpleNamespace(lookups=lookups, derived=(), fed=fed))
    counts = Counts()
    for stale in (0, 1, 2):
        counts.predicted(at_work(answerer), [answer(1, missing=2, stale=stale, fed=(None, None), inputs={"k": 1})],
                         Spent(), None)  # fmt: skip
    samples = counts.samples()
    assert sum(samples["rondo_stale_lookups_total"].values()) == 3
    assert samples["rondo_missing_values_total"] == {("late", "one"): 3, ("late", "two"): 3}


def test_a_successor_goes_on_from_the_counters_alone():
    board = Board(2)
    counts = Counts(board.seat(0).mine())
    counts.request("predict", 200, 0.01)
    board.seat(0).write({**counts.samples(), "rondo_ready": {(): 1.0}})
    assert "rondo_ready" not in counted(board.seat(0).mine())
    after = Counts(board.seat(0).mine())
    after.request("predict", 200, 0.01), after.request("predict", 404, 5.0)
    board.seat(0).write(after.samples())
    (seen,) = board.seat(1).others()
    assert seen["rondo_requests_total"] == {("predict", "200"): 2, ("predict", "404"): 1}
    assert sum(seen["rondo_request_seconds"]["predict",][0]) == 3
    assert board.seat(0).others() == [{}]
    everything = merged([seen, after.samples()])
    assert everything["rondo_requests_total"]["predict", "404"] == 2


def test_counts_that_find_no_room_leave_those_before():
    seat = Board(1).seat(0)
    assert seat.write({"rondo_outcomes_total": {(): 5.0}})
    assert not seat.write({"rondo_requests_total": {("x" * 2**21, "200"): 1.0}})
    assert seat.mine() == {"rondo_outcomes_total": {(): 5.0}}
