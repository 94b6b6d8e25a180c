"""A shadow beside production, on the answers of a real project."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rondo.deploy.logged import payload_of
from rondo.deploy.predictions import compact, stream_of
from rondo.deploy.recent import newest_answers
from rondo.handbook.predictions import answered
from rondo.handbook.rollouts import beside_production
from rondo.loop.versions import signature_of
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.deployment import Deployment

SHIFT = 0.1


@pytest.fixture
def work(live_shop: Path, tmp_path: Path) -> Workplace:
    """Version 2 is a shadow: it scored the newest answers of version 1 a tenth higher."""
    work = open_workplace(Path(shutil.copytree(live_shop, tmp_path / "copy")))
    given = newest_answers(work.store, "late", 200)
    since = min(each.at for each in given)
    work.store.ledger.append(Deployment(name="late", version=2, role="shadow", share=0.0), by="ada", at=since)
    beside = [
        msgspec.structs.replace(
            each, id=f"z-{n:04}", version=2, role="shadow", beside=each.id, score=_shifted(each.score),
            label=_shifted(each.score) >= 0.5,
        )
        for n, each in enumerate(given)
    ]  # fmt: skip
    work.store.log.append(stream_of("late"), [payload_of(each) for each in beside[:150]])
    compact(work.store, signature_of(work, "late", 1), by="test", now=work.now())
    work.store.log.append(stream_of("late"), [payload_of(each) for each in beside[150:]])
    return work


def _shifted(score: float | None) -> float:
    return min(1.0, (score or 0.0) + SHIFT)


def test_the_same_requests_are_compared_in_pairs(work: Workplace) -> None:
    [beside] = beside_production(work, work.project.model("late"), signature_of(work, "late", 1), work.now())
    assert (beside.role, beside.version, beside.production, beside.pairs) == ("shadow", "late@2", "late@1", 200)
    given = answered(work, "late", newest_answers(work.store, "late", 200))
    theirs = np.array([each.score for each in given], dtype=float)
    mine = np.minimum(1.0, theirs + SHIFT)
    assert beside.score is not None and beside.score.value == pytest.approx(float((mine - theirs).mean()))
    assert beside.flips is not None
    assert beside.flips.value == pytest.approx(float(((mine >= 0.5) != (theirs >= 0.5)).mean()))
    known = np.array([each.outcome_known is not None for each in given])
    truth = np.array([bool(each.outcome) for each in given])[known]
    assert beside.judged == known.sum() > 0

    def loss(score: np.ndarray) -> np.ndarray:
        return -np.log(np.clip(np.where(truth, score[known], 1 - score[known]), 1e-15, 1))

    assert beside.loss is not None
    assert beside.loss.value == pytest.approx(float((loss(mine) - loss(theirs)).mean()))
    assert beside.loss.low <= beside.loss.value <= beside.loss.high  # type: ignore[operator]


def test_production_alone_has_nothing_beside_it(live_shop: Path) -> None:
    work = open_workplace(live_shop, readonly=True)
    assert beside_production(work, work.project.model("late"), signature_of(work, "late", 1), work.now()) == ()
