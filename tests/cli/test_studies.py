"""Mistakes, attribution and rankings, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rondo.deploy.answering import Answerer
from rondo.deploy.lookups import live_values
from rondo.deploy.predictions import compact, record
from rondo.loop import ranking
from rondo.loop.answering import prediction_by_id
from rondo.loop.running import run
from rondo.loop.versions import packed_version, signature_of
from rondo.loop.workplace import open_workplace
from rondo.records.studies import Attribution, Mistakes, Ranking


@pytest.fixture(scope="module")
def shop(tmp_path_factory, long_shop_files) -> Path:
    """Two versions, a test set that the first has not seen, and a day of answers of the second."""
    root = tmp_path_factory.mktemp("studied")
    files = dict(long_shop_files)
    later = {name: files.pop(name) for name in ("data/visits_2.csv", "data/loads_2.csv")}
    files["testsets/few.csv"] = "distance,asked_at,shop,late\n" + "".join(
        f"{n},2024-01-{5 + n % 9:02d} 10:00:00,A,{'true' if n % 3 else 'false'}\n" for n in range(60)
    )
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    run(open_workplace(root))
    path = root / "models/late.py"
    path.write_text(path.read_text().replace("num_iterations=20", "num_iterations=40"))
    run(open_workplace(root))
    for name, text in later.items():
        (root / name).write_text(text)
    run(open_workplace(root), ["visits", "loads"])
    work = open_workplace(root)
    answerer = Answerer(packed_version(work, "late", 2), live_values(work.store, "Europe/Berlin"), 2)
    rows = [{"shop": "ABC"[n % 3], "distance": n % 20, "asked_at": f"2024-03-06T{n % 24:02d}:00:00"} for n in range(60)]
    answers = answerer.answer(rows, now=work.now(), role="production")
    record(work.store.log, "late", answers, caller="t", latency_ms=1)
    return root


def test_mistakes(shop: Path, rondo) -> None:
    code, out, _ = rondo(shop, "mistakes", "late@2", "--limit", "3", "--json")
    document = json.loads(out)
    assert code == 0 and (document["version"], document["testset"]) == ("late@2", "test")
    assert len(document["mistakes"]) == 3 and document["rows"] > document["wrong"] > 0
    worst = document["mistakes"][0]
    assert set(worst) == {"key", "moment", "score", "label", "outcome", "loss", "contributions", "features"}
    assert worst["key"]["visit"].startswith("v") and worst["moment"].endswith("Z") and len(worst["contributions"]) == 3
    for part in document["slices"]:
        assert {"by", "is", "where", "rows", "mistakes", "share", "low", "high", "lift"} <= set(part)
    again = json.loads(rondo(shop, "mistakes", "late@2", "--limit", "3", "--json")[1])
    work = open_workplace(shop)
    made = len(work.store.ledger.entries(Mistakes, name="late", version=2))
    assert again == document and made == 1  # made when the version was; fewer are asked for
    on = json.loads(rondo(shop, "mistakes", "late@2", "--on", "march", "--json")[1])
    assert on["testset"] == "march" and on["mistakes"][0]["key"]["visit"].startswith("v1")
    assert "judged wrongly" in rondo(shop, "mistakes", "late@2")[1]


def test_attribution_of_a_test_set_a_table_and_a_query(shop: Path, rondo) -> None:
    code, out, _ = rondo(shop, "explain", "late@2", "--on", "march", "--slice", "shop", "--json")
    document = json.loads(out)
    assert code == 0 and document["on"]["kind"] == "testset" and {part["is"] for part in document["slices"]} == {*"ABC"}
    first = document["features"][0]
    assert (
        first["feature"] == "distance" and first["low"] <= first["value"] <= first["high"] and first["direction"] > 0.9
    )
    query = "select * from visits where shop = 'A'"
    asked = json.loads(rondo(shop, "explain", "late@2", "--on", query, "--slice", "shop", "--json")[1])
    [part] = asked["slices"]
    assert asked["on"]["kind"] == "query" and part["rows"] == asked["rows"] <= asked["of_rows"]
    table = json.loads(rondo(shop, "explain", "late@2", "--on", "visits", "--json")[1])
    assert table["on"] == {"kind": "table", "name": "visits", "from": None, "to": None}
    assert table["rows"] == 1000 < table["of_rows"]
    kept = open_workplace(shop).store.ledger.entries(Attribution, name="late", version=2)
    assert [each.record.kind for each in kept[-3:]] == ["testset", "query", "table"]
    assert "rows explained" in rondo(shop, "explain", "late@2", "--on", "march", "--slice", "shop")[1]


def test_attribution_of_what_was_answered_lately(shop: Path, rondo) -> None:
    code, out, _ = rondo(shop, "explain", "late@2", "--window", "20d", "--slice", "shop", "--json")
    document = json.loads(out)
    assert code == 0, document
    assert (document["rows"], document["of_rows"]) == (60, 60) and document["on"]["to"] is not None
    assert {part["rows"] for part in document["slices"]} == {20}
    work = open_workplace(shop)
    compact(work.store, signature_of(work, "late", 2), by="t", now=work.now())
    landed = json.loads(rondo(shop, "explain", "late@2", "--window", "20d", "--slice", "shop", "--json")[1])
    assert landed["features"] == document["features"]
    assert rondo(shop, "explain", "late@1", "--window", "20d", "--json")[0] == 3
    for wrong in (("--on", "nowhere"), ("--on", "march", "--window", "20d"), ("--row", "{}", "--slice", "shop"), ()):
        assert rondo(shop, "explain", "late", *wrong, "--json")[0] == 2


def test_all_versions_by_all_test_sets(shop: Path, rondo) -> None:
    code, out, _ = rondo(shop, "evaluate", "late", "--all", "--json")
    document = json.loads(out)
    assert code == 0 and [each["testset"] for each in document["testsets"]] == ["test", "few", "march"]
    test, few, march = document["testsets"]
    assert not test["comparable"] and all(each["best"] is None for each in test["versions"])
    assert [each["seen"] for each in few["versions"]] == [60, 60] and few["best"] is None
    assert all(each["best"] is None and not each["among_best"] for each in few["versions"])
    assert march["comparable"] and [each["seen"] for each in march["versions"]] == [0, 0]
    assert sum(each["best"] for each in march["versions"]) == pytest.approx(1)
    assert any(each["among_best"] for each in march["versions"]) and march["days"] > 3
    one = json.loads(rondo(shop, "evaluate", "late", "--all", "--on", "march", "--json")[1])
    assert one["testsets"] == [march]
    assert len(open_workplace(shop).store.ledger.entries(Ranking, name="late")) == 2  # made once
    told = " ".join(rondo(shop, "evaluate", "late", "--all")[1].split())
    assert "has seen 60 of" in told and "nobody is ranked" in told
    assert rondo(shop, "evaluate", "late@1", "--all", "--json")[0] == 2


def test_of_very_many_versions_the_newest_are_ranked_and_what_is_at_work(shop: Path, rondo, monkeypatch) -> None:
    monkeypatch.setattr(ranking, "MOST", 1)
    document = json.loads(rondo(shop, "evaluate", "late", "--all", "--on", "march", "--json")[1])
    newest = document["testsets"][0]["versions"][-1]["version"]
    assert newest == "late@2" and document["left_out"] == 2 - len(document["testsets"][0]["versions"])


def test_a_prediction_is_found_by_its_id_alone(shop: Path, rondo) -> None:
    sql = "select id from predictions.late limit 1"
    [row] = json.loads(rondo(shop, "sql", sql, "--json")[1])["rows"]
    found = prediction_by_id(open_workplace(shop), row["id"])
    assert found is not None and found[0] == "late" and found[1].id == row["id"]
    assert prediction_by_id(open_workplace(shop), "nothing") is None
    told = json.loads(rondo(shop, "explain", "late", "--id", row["id"], "--json")[1])
    parts = told["base"] + sum(each["contribution"] for each in told["contributions"]) + told["residual"]
    assert told["prediction"] == pytest.approx(parts) and told["prediction"] == pytest.approx(found[1].score)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_rows_of_a_test_set_are_answered_into_a_file_of_that_format(
    shop: Path, rondo, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"answers.{ending}"
    code, told, _ = rondo(shop, "predict", "late@2", "--table", "march", "--out", str(out), "--json")
    rows = json.loads(told)["rows"]
    beginning = {"csv": b'"id","version"', "jsonl": b'{"id":', "parquet": b"PAR1"}[ending]
    assert code == 0 and rows == 180 and out.read_bytes().startswith(beginning)
    assert "180 predictions in" in " ".join(
        rondo(shop, "predict", "late@2", "--table", "march", "--out", str(out))[1].split()
    )


def test_no_rows_are_no_predictions(shop: Path, rondo) -> None:
    code, told, _ = rondo(shop, "predict", "late@2", "--table", "select * from visits where false", "--json")
    assert (code, json.loads(told)["rows"]) == (0, 0)


def test_asked_for_from_the_command_line(shop: Path, rondo) -> None:
    code, out, _ = rondo(shop, "run", "late", "--from", "late@2", "--json")
    steps = json.loads(out)["steps"]
    assert code in (0, 1) and [s["version"] for s in steps if s["stage"] == "train"] == ["late@3"]
    for wrong in (("--from", "late@2"), ("visits", "--from", "late@2"), ("late", "--examples", "nowhere")):
        assert rondo(shop, "run", *wrong, "--json")[0] == 2
