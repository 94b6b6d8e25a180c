"""Versions that somebody asked for: of other examples, or trained on from an earlier one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rondo.deploy.resolving import resolve
from rondo.deploy.rollout import roles
from rondo.errors import NotFound, Refused
from rondo.loop import versions
from rondo.loop.planning import plan
from rondo.loop.reproducing import reproduce
from rondo.loop.running import run
from rondo.loop.variants import Variant
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.development import Evaluation, Gate, Version
from rondo.records.studies import Attribution, Mistakes
from rondo.records.tables import Dataset

HEADER = """/* ---
key: visit
time: asked_at
label: late
label_known: result_at
inputs: [distance, asked_at]
derive:
  hour: hour(asked_at)
--- */
"""


def version(work: Workplace, number: int) -> Version:
    return work.store.ledger.latest(Version, name="late", version=number).record


def trained(shop: Path) -> Workplace:
    run(open_workplace(shop))
    return open_workplace(shop)


def asked(shop: Path, **what) -> tuple[Workplace, list[str]]:
    """The variant run, and the names of the steps that were built."""
    ran = run(open_workplace(shop), variant=Variant("late", **what))
    built = [step.stage for step in ran.run.steps if step.state == "built"]
    return open_workplace(shop), built


def test_on_other_examples(shop: Path) -> None:
    (shop / "tables/near.sql").write_text(HEADER + "select * from visits where shop <> 'C'\n")
    trained(shop)
    work, built = asked(shop, examples="near")
    made = version(work, 2)
    assert (made.examples, made.parent, made.why) == ("near", None, "asked") and "near" in made.pinned
    assert {"freeze", "train", "evaluate", "rehearse", "gate"} <= set(built)
    dataset = work.store.ledger.latest(Dataset, name="late", version=made.dataset).record
    assert {each.name for each in dataset.inputs} >= {"near"} and dataset.rows < 1500
    for kind in (Evaluation, Gate, Mistakes, Attribution):
        assert work.store.ledger.latest(kind, name="late", version=2) is not None
    # Nothing but what was asked: it is neither put to work nor taken for the model as it is declared.
    assert roles(work.store.ledger, "late")["production"].record.version == 1
    assert resolve(work.store.ledger, "late", timezone="UTC") == ("late", 1)
    assert [step.name for step in plan(work) if step.action == "build"] == []
    assert reproduce(open_workplace(shop), "late", 2) == []
    assert asked(shop, examples="near")[1] == []  # it is there


def test_on_from_an_earlier_version(shop: Path, more_loads: str, more_visits: str) -> None:
    trained(shop)
    (shop / "data/loads_2.csv").write_text(more_loads)
    (shop / "data/visits_2.csv").write_text(more_visits)
    work, built = asked(shop, parent=1)
    made = version(work, 2)
    assert (made.examples, made.parent, made.why) == (None, 1, "asked") and "train" in built
    assert reproduce(open_workplace(shop), "late", 2) == []
    assert version(work, 1).files["encoder.json"] == made.files["encoder.json"]
    work, _ = asked(shop, parent=2)  # and on from that
    grandchild = version(work, 3)
    assert grandchild.parent == 2 and reproduce(open_workplace(shop), "late", 3) == []
    # What its parents were trained on it has seen, too.
    assert versions.rows_seen(work, grandchild, versions.testset_rows(work, version(work, 1), "test")) > 0


def test_the_model_itself_is_still_trained_when_it_is_due_or_stale(shop: Path) -> None:
    trained(shop)
    asked(shop, parent=1)
    path = shop / "models/late.py"
    path.write_text(path.read_text().replace("num_iterations=20", "num_iterations=25"))
    work = open_workplace(shop)
    assert [step.why for step in plan(work) if step.stage == "train"] == ["stale"]
    run(work)
    assert (version(work, 3).why, version(work, 3).parent) == ("stale", None)
    assert [step.name for step in plan(open_workplace(shop)) if step.action == "build"] == []


def test_what_would_be_judged_on_what_it_knows_is_refused(shop: Path) -> None:
    trained(shop)
    path = shop / "models/late.py"
    path.write_text(path.read_text().replace('validation="4d", test="8d"', 'validation="4d", test="16d"'))
    with pytest.raises(Refused, match=r"late@1 was trained on [\d,]+ of the [\d,]+ test rows"):
        asked(shop, parent=1)


def test_what_knows_the_future_is_refused(shop: Path) -> None:
    trained(shop)
    with pytest.raises(Refused, match="it may know what became known only after 2024-02-10"):
        run(open_workplace(shop), variant=Variant("late", parent=1), as_of=datetime(2024, 2, 10, tzinfo=UTC))


def test_another_definition_is_refused(shop: Path) -> None:
    trained(shop)
    path = shop / "tables/loads.sql"
    path.write_text(path.read_text().replace(", load from", ", load * 2 as load from"))
    with pytest.raises(Refused, match="another definition of loads"):
        asked(shop, parent=1)


def test_another_question_is_refused(shop: Path) -> None:
    (shop / "tables/other.sql").write_text(
        HEADER.replace("inputs: [distance, asked_at]", "inputs: [asked_at]") + "select * from visits\n"
    )
    trained(shop)
    with pytest.raises(Refused, match="other asks another question than visits: its inputs"):
        asked(shop, examples="other")
    with pytest.raises(Refused, match="loads has no label"):
        asked(shop, examples="loads")
    with pytest.raises(NotFound, match="nowhere"):
        asked(shop, examples="nowhere")


ROWS = [
    f"c{n},{(n * 37 % 200) / 10 - 10},{'ab'[n % 2]},{'yes' if n * 37 % 200 > 90 + n % 31 else 'no'}" for n in range(400)
]
UNTIMED = {
    "rondo.toml": '[project]\nname = "plans"\n',
    "sources.py": 'import rondo as rd\n\nplans_raw = rd.Source(rd.files("data/*.csv"), key="customer")\n',
    "tables/plans.sql": "/* ---\nkey: customer\nlabel: left\ninputs: [usage, plan]\n--- */\nselect * from plans_raw\n",
    "models/churn.py": "import rondo as rd\n\nchurn = rd.Model(\n    examples='plans', task=rd.binary('left', positive='yes'),\n"
    "    split=rd.random(validation=0.2, test=0.4, seed=1), train=rd.linear(),\n)\n",
    "data/plans.csv": "\n".join(["customer,usage,plan,left", *ROWS]) + "\n",
}


def test_without_time_rows_are_known_by_their_key(write) -> None:
    root = write(UNTIMED)
    run(open_workplace(root))
    run(open_workplace(root), variant=Variant("churn", parent=1))
    made = open_workplace(root).store.ledger.latest(Version, name="churn").record
    assert (made.version, made.parent, made.trainer) == (2, 1, "linear")
    assert reproduce(open_workplace(root), "churn", 2) == []
    model = root / "models/churn.py"
    model.write_text(model.read_text().replace("seed=1", "seed=2"))  # other rows are the test now
    with pytest.raises(Refused, match=r"churn@1 was trained on \d+ of the 160 test rows"):
        run(open_workplace(root), variant=Variant("churn", parent=1))


def test_without_time_and_key_nobody_can_tell(write) -> None:
    root = write(UNTIMED | {"tables/plans.sql": UNTIMED["tables/plans.sql"].replace("key: customer\n", "")})
    run(open_workplace(root))
    with pytest.raises(Refused, match="without a time or a key"):
        run(open_workplace(root), variant=Variant("churn", parent=1))
