from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from rondo.console.looking import Project
from rondo.errors import NotFound
from rondo.handbook.live import LiveFacts, live_facts, live_index
from rondo.loop.monitoring import document
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.measurements import Remembered
from rondo.records.deployment import Deployment


@pytest.fixture
def work(live_shop: Path) -> Workplace:
    return open_workplace(live_shop, readonly=True)


def test_what_is_at_work_and_how_it_does(work: Workplace) -> None:
    facts = live_index(work, {})
    assert isinstance(facts, LiveFacts) and (facts.model, facts.metric, facts.task) == ("late", "roc_auc", "binary")
    [held] = facts.roles
    assert (held.role, held.version, held.share) == ("production", "late@1", 1.0)
    windows = document(work.project.model("late"), Remembered(work.store.ledger, "late").newest().values())["windows"]
    expected = [
        m["value"] for w in windows for m in w["measurements"] if m["name"] == "roc_auc" and not m["by"]
    ]  # fmt: skip
    assert [week.value for week in facts.quality] == expected
    assert facts.back is None  # it is the first one
    assert msgspec.json.decode(msgspec.json.encode(facts))["model"] == "late"


def test_features_lie_beside_what_the_version_was_trained_on(work: Workplace) -> None:
    facts = live_facts(work, "late", {})
    by_name = {feature.name: feature for feature in facts.features}
    assert by_name.keys() == {"distance", "hour", "loads.load", "shops.size"}
    load = by_name["loads.load"]
    assert (load.table, load.column, load.kind) == ("loads", "load", "number")
    assert load.trained is not None and load.trained.q50 == pytest.approx(0.5, abs=0.2)
    for spread in load.spreads:
        assert spread.q10 <= spread.q25 <= spread.q50 <= spread.q75 <= spread.q90  # type: ignore[operator]
    assert facts.scores is not None and sum(facts.scores.now) == pytest.approx(1.0)
    assert sum(facts.scores.trained) == pytest.approx(1.0)
    assert facts.parity.rehearsal is not None and facts.parity.rehearsal.unequal is None


def test_before_the_deployment_nothing_is_at_work(live_shop: Path, work: Workplace) -> None:
    first = work.store.ledger.entries(Deployment)[0].at
    past = live_facts(Project(live_shop, "live").work(first - timedelta(seconds=1)), "late", {})
    assert past.roles == () and past.recent == () and past.form is None
    with pytest.raises(NotFound):
        live_facts(work, "nobody", {})


def test_a_question_about_a_day_is_answered_beside_the_newest(work: Workplace) -> None:
    facts = live_facts(work, "late", {"day": "2024-02-10"})
    assert facts.found and facts.keys == ("visit",) and len(facts.recent) == 20
    assert live_facts(work, "late", {}).found is None
