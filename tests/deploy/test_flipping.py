from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from rondo.deploy.answering import Answerer
from rondo.deploy.flipping import Production, flips, logs, request_of, with_latency
from rondo.deploy.predictions import answered_last, compact, record
from rondo.deploy.resolving import load, signature_of
from rondo.errors import StoreError
from rondo.features.signature import Column


class Nowhere:
    """Look-ups that nobody may ask for."""

    def look_up(self, lookup, keys, moments):
        raise AssertionError(f"{lookup.table} was looked up")


@pytest.fixture
def ask(place, now):
    """Has production answer 240 rows over ten days, and moves the answers into the lake."""

    def asked(version=1, rows=240, role="production", values=None, **more):
        answerer = Answerer(load(place.store, place.project, "late", version), values or place.online_values(), version)
        requests = [
            place.request(n, sched=(now - timedelta(hours=n)).isoformat(), distance=float(n % 90), **more)
            for n in range(rows)
        ]
        answers = answerer.answer(requests, now=now, role=role)
        record(place.store.log, "late", answers, caller="kim", latency_ms=1.0)
        compact(place.store, place.signature, by="kim", now=now)
        return answers

    return asked


@pytest.fixture
def answered(place):
    """What production answered last, as the flips take it."""

    def found(rows=10_000, version=1):
        logged = answered_last(place.store, "late", rows)
        numbers = {each.version for each in logged}
        return Production(logged, {n: signature_of(place.store, "late", n) for n in numbers}, version)

    return found


def tried(place, production, version, now, *, values=None, **more):
    candidate = more.pop("candidate", None) or load(place.store, place.project, "late", version)
    return flips(candidate, version, production, values=values or Nowhere(), now=now, **more)


def test_a_version_against_itself_flips_nothing_and_looks_nothing_up(place, ask, answered, now):
    ask()
    place.publish(rate=0.99)  # what is known now is no longer what was logged
    found = tried(place, answered(), 1, now, slices=["carrier", "weather"])
    rate, change = found.metrics["flip_rate"], found.metrics["score_change"]
    assert (found.rows, found.refused, found.against, found.looked_up) == (240, 0, {"1": 240}, [])
    assert (rate.value, rate.low, rate.n) == (0.0, 0.0, 240) and 0 < rate.high < 0.05
    assert (change.value, change.low, change.high) == (0.0, 0.0, 0.0)
    assert found.unsliced == ["weather"] and {s.is_ for s in found.slices} == {"AA", "UA", "항공"}


def test_flips_are_counted_against_what_was_answered(place, ask, answered, now):
    answers = ask()
    other = place.add_version(seed=7)
    found = tried(place, answered(), other, now, slices=["carrier"])
    again = Answerer(load(place.store, place.project, "late", other), place.online_values(), other)
    mine = again.answer([dict(each.inputs) | {"sched": each.moment} for each in answers], now=now)
    flipped = np.array([a.label != b.label for a, b in zip(answers, mine, strict=True)])
    assert 0 < flipped.sum() < 240
    assert found.metrics["flip_rate"].value == pytest.approx(flipped.mean())
    change = np.array([b.score - a.score for a, b in zip(answers, mine, strict=True)])
    assert found.metrics["score_change"].value == pytest.approx(change.mean())
    for part in found.slices:
        of_slice = flipped[[each.inputs["carrier"] == part.is_ for each in answers]]
        assert part.metrics["flip_rate"].value == pytest.approx(of_slice.mean()) and part.rows == 80
        whole, mine_alone = found.metrics["flip_rate"], part.metrics["flip_rate"]
        assert mine_alone.high - mine_alone.value > whole.high - whole.value
    assert (found.start, found.end) == (now - timedelta(hours=239), now)


def test_the_last_requests_alone_count_and_shadows_do_not(place, ask, answered, now):
    ask(rows=50)
    other = place.add_version(seed=7)
    ask(other, rows=20, role="shadow")
    production = answered(30)
    assert len(production.logged) == 30 and {each.version for each in production.logged} == {1}
    assert tried(place, production, other, now, last=30).rows == 30
    assert tried(place, Production([], {}, 1), other, now) is None


def test_a_table_of_another_definition_is_looked_up_as_of_the_request(place, ask, answered, now):
    ask()
    packed = load(place.store, place.project, "late", 1)
    changed = tuple(
        msgspec.structs.replace(lookup, definition="9" * 64) if lookup.table == "delays" else lookup
        for lookup in packed.signature.lookups
    )
    signature = msgspec.structs.replace(packed.signature, lookups=changed)
    assert [logs(packed.signature, lookup) for lookup in signature.lookups] == [False, True]
    candidate = replace(packed, signature=signature)
    seen = []

    class Lake:
        def look_up(self, lookup, keys, moments):
            seen.append((lookup.table, keys, moments))
            return place.lake_values().look_up(msgspec.structs.replace(lookup, definition="e" * 64), keys, moments)

    found = tried(place, answered(), 2, now, values=Lake(), candidate=candidate)
    [(table, keys, moments)] = seen
    assert (table, len(keys), found.looked_up) == ("delays", 240, ["delays"])
    assert set(moments) == {now - timedelta(hours=n) for n in range(240)}
    assert found.metrics["flip_rate"].value == 0.0  # the same rows, as known at each moment


def test_a_column_that_was_not_logged_is_looked_up(place):
    lookup = place.signature.lookups[0]
    wider = msgspec.structs.replace(lookup, columns=(*lookup.columns, Column(name="more", type="DOUBLE")))
    narrower = msgspec.structs.replace(lookup, columns=lookup.columns[:1])
    younger = msgspec.structs.replace(lookup, keep_s=60)
    assert [logs(place.signature, each) for each in (lookup, narrower, wider, younger)] == [True, True, False, False]


def test_a_refused_request_counts_as_flipped_and_names_its_field(place, ask, answered, now):
    ask()
    packed = load(place.store, place.project, "late", 1)
    inputs = tuple(
        msgspec.structs.replace(c, type="BIGINT") if c.name == "distance" else c for c in packed.signature.inputs
    )
    signature = msgspec.structs.replace(packed.signature, inputs=inputs)
    candidate = replace(packed, signature=signature)
    production = answered()
    odd = [msgspec.structs.replace(each, request={**each.request, "distance": 1.5}) for each in production.logged[:24]]
    production = Production([*odd, *production.logged[24:]], production.signatures, 1)
    found = tried(place, production, 2, now, candidate=candidate, slices=["carrier"])
    assert (found.refused, found.refusals) == (24, {"distance": 24})
    assert found.metrics["flip_rate"].value == pytest.approx(0.1) and found.metrics["flip_rate"].n == 240
    assert found.metrics["score_change"].n == 216


def test_a_number_flips_when_it_moves_by_more_than_the_tolerance(place, ask, answered, now):
    ask()
    packed = load(place.store, place.project, "late", 1)
    signature = msgspec.structs.replace(packed.signature, task="regression", classes=())
    candidate = replace(packed, signature=signature)
    production = answered()
    logged = [
        msgspec.structs.replace(each, value=each.score + (0.5 if n % 4 == 0 else 0.05), score=None, label=None)
        for n, each in enumerate(production.logged)
    ]
    production = Production(logged, {1: signature}, 1)
    found = tried(place, production, 2, now, candidate=candidate, tolerance=0.1)
    assert (found.metrics["flip_rate"].value, found.tolerance) == (0.25, 0.1)
    assert found.metrics["score_change"].value == pytest.approx(-(0.5 + 3 * 0.05) / 4, abs=1e-9)
    assert tried(place, production, 1, now) is None  # a classifier answers another question


def test_of_several_classes_the_label_flips_and_the_score_is_that_of_the_class_named(place, ask, answered, now):
    ask(rows=40)

    class Surer:
        def predict(self, matrix):
            return np.tile([0.2, 0.7, 0.1], (len(matrix), 1))

    packed = load(place.store, place.project, "late", 1)
    signature = msgspec.structs.replace(packed.signature, task="multiclass", classes=("a", "b", "c"))
    candidate = replace(packed, signature=signature, predictor=Surer(), threshold=None, calibration=None)
    logged = [
        msgspec.structs.replace(each, score=None, label="c" if n < 10 else "b", scores={"a": 0.1, "b": 0.5, "c": 0.4})
        for n, each in enumerate(answered().logged)
    ]
    found = tried(place, Production(logged, {1: signature}, 1), 2, now, candidate=candidate)
    assert found.metrics["flip_rate"].value == 0.25
    assert found.metrics["score_change"].value == pytest.approx(0.25 * (0.1 - 0.4) + 0.75 * (0.7 - 0.5))


def test_a_field_that_no_request_brought_is_named(place, ask, answered, now):
    ask(rows=40)
    packed = load(place.store, place.project, "late", 1)
    more = (*packed.signature.inputs, Column(name="terminal", type="VARCHAR"))
    candidate = replace(packed, signature=msgspec.structs.replace(packed.signature, inputs=more))
    assert tried(place, answered(), 2, now, candidate=candidate).absent == ["terminal"]
    assert tried(place, answered(), 1, now).absent == []


def test_a_request_is_asked_as_it_was_and_no_more(place, ask, answered):
    ask(rows=1)
    [logged] = answered().logged
    row = request_of(logged, place.signature)
    assert row["sched"] == logged.moment and "late" not in row and not any("." in name for name in row)
    fewer = msgspec.structs.replace(place.signature, inputs=place.signature.inputs[:1], lookups=(), key=())
    assert set(request_of(logged, fewer)) == {"carrier", "sched"}


def test_latency_is_that_of_single_requests_as_of_now(place, ask, answered, now):
    ask(rows=40)
    found = tried(place, answered(), 1, now)
    serving = Answerer(load(place.store, place.project, "late", 1), place.online_values(), 1)
    rows = [request_of(each, place.signature) for each in answered().logged]
    timed = with_latency(found, serving, rows, store=place.store, now=now)
    assert timed.requests == 500 and 0 < timed.latency_p50_ms <= timed.latency_p99_ms < 1_000
    assert with_latency(found, serving, [], store=place.store, now=now) == found


def test_what_was_never_landed_is_said(place, ask, answered, now):
    ask(rows=5)
    packed = load(place.store, place.project, "late", 1)
    lookups = tuple(msgspec.structs.replace(each, definition="8" * 64) for each in packed.signature.lookups)
    candidate = replace(packed, signature=msgspec.structs.replace(packed.signature, lookups=lookups))

    class Empty:
        def look_up(self, lookup, keys, moments):
            raise StoreError("no rows of the definition", next_step="Run.")

    with pytest.raises(StoreError, match="no rows of the definition"):
        tried(place, answered(), 2, now, values=Empty(), candidate=candidate)
