from __future__ import annotations

import os
from datetime import timedelta

import numpy as np
import pytest

from rondo.deploy.answering import Answerer, derived_id, random_id, shown
from rondo.deploy.resolving import load
from rondo.errors import RowError
from rondo.models.encoding import encode_table


@pytest.fixture
def answerer(place):
    return Answerer(load(place.store, place.project, "late", 1), place.online_values(), 1)


def test_answers_are_the_rows_in_order(place, answerer, now):
    rows = [place.request(n) for n in range(5)]
    together = answerer.answer(rows, now=now)
    alone = [answerer.answer([row], now=now)[0] for row in rows]
    assert [a.score for a in together] == [a.score for a in alone]
    assert [a.key for a in together] == [{"carrier": row["carrier"], "flight": row["flight"]} for row in rows]
    assert all(a.label == (a.score >= 0.5) for a in together)
    assert together[0].moment == now
    assert together[4].features["planes.seats"] is None and together[4].stale == 1
    assert together[3].features["planes.seats"] == 130


def test_features_are_those_of_the_moment_asked(place, answerer, now):
    then = now - timedelta(days=3)
    late = place.request(1, sched=then.isoformat())
    (answer,) = answerer.answer([late], now=now)
    rates = {row["hour"]: row["rate"] for row in place_rows(place) if row["origin"] == "JFK"}
    assert answer.moment == then
    assert answer.features["delays.rate"] == rates[then - timedelta(hours=2)]
    assert answer.key["sched"] == then.isoformat()


def place_rows(place):
    import pyarrow.dataset as ds

    return ds.dataset(place.store.lake.files("tables/delays/" + "e" * 12)).to_table().to_pylist()


def test_the_same_scores_as_offline(place, answerer, now):
    table = place.rows.slice(0, 300)
    offline = answerer.packed.score(encode_table(answerer.packed.encoder, table))
    rows = [
        {"carrier": r["carrier"], "flight": r["flight"], "sched": r["sched"], "origin": r["_carried.origin"],
         "tailnum": r["_carried.tailnum"], "distance": r["distance"]}
        for r in table.to_pylist()
    ]  # fmt: skip
    served = Answerer(answerer.packed, place.lake_values(), 1).answer(rows, now=now)
    assert np.array([a.score for a in served]).tolist() == offline.tolist()


@pytest.mark.parametrize(
    ("row", "field", "says"),
    [
        ({"colour": "red"}, "rows[1].colour", "unknown"),
        ({"late": True}, "rows[1].late", "not an input"),
        ({"distance": "far"}, "rows[1].distance", "number"),
        ({"distance": float("nan")}, "rows[1].distance", "finite"),
        ({"flight": 1.5}, "rows[1].flight", "whole"),
        ({"sched": "yesterday"}, "rows[1].sched", "time"),
        ({"carrier": 7}, "rows[1].carrier", "text"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_field(place, answerer, now, row, field, says):
    with pytest.raises(RowError) as refused:
        answerer.answer([place.request(), row], now=now)
    assert [f for f, _ in refused.value.errors] == [field]
    assert says in refused.value.errors[0][1]


def test_an_empty_row_is_all_missing(answerer, now):
    (answer,) = answerer.answer([{}], now=now)
    assert answer.key is None
    assert answer.missing == len(answerer.signature.fed) - 1  # the hour of now is known
    assert 0 <= answer.score <= 1


def test_ids_are_unique_and_sort_by_time(now):
    ids = [random_id(now) for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert max(ids) < min(random_id(now + timedelta(milliseconds=1)) for _ in range(1000))
    assert all(each[14] == "7" and each[19] in "89ab" for each in ids)


def test_a_forked_process_draws_other_ids(now):
    random_id(now)
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, "".join(random_id(now) for _ in range(50)).encode())
        os._exit(0)
    mine = {random_id(now) for _ in range(50)}
    os.waitpid(child, 0)
    told = os.read(reading, 1 << 16).decode()
    assert mine.isdisjoint({told[place : place + 36] for place in range(0, len(told), 36)})


def test_derived_ids_are_the_same_again(place, now):
    packed = load(place.store, place.project, "late", 1)
    rows = [place.request(n) for n in range(3)]
    first, second = (
        [a.id for a in Answerer(packed, place.lake_values(), 1, ids="derived").answer(rows, now=now)] for _ in "ab"
    )
    assert first == second and len(set(first)) == 3
    assert derived_id("late", 1, now, {"a": 1}) != derived_id("late", 2, now, {"a": 1})


def test_explanations_add_up(place, answerer, now):
    answers = answerer.answer([place.request(n) for n in range(4)], now=now)
    for answer, why in zip(answers, answerer.explain(answers), strict=True):
        assert why.prediction == pytest.approx(answer.score, abs=1e-12)
        total = why.base + sum(c.contribution for c in why.contributions) + why.residual
        assert total == pytest.approx(why.prediction, abs=1e-9)
        assert [(c.feature, c.value) for c in why.contributions] == [
            (column.name, shown(value)) for column, value in zip(answerer.signature.fed, answer.fed, strict=True)
        ]
