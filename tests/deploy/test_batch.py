from __future__ import annotations

import csv

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rondo.deploy import batch
from rondo.deploy.answering import Answerer
from rondo.deploy.batch import predict_file, predict_relation
from rondo.deploy.predictions import stream_of
from rondo.deploy.resolving import load
from rondo.errors import LoadError, RowError, WrongUse
from rondo.sql.engine import connect


@pytest.fixture
def answerer(place):
    return Answerer(load(place.store, place.project, "late", 1), place.online_values(), 1)


def write(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    with path.open(newline="", encoding="utf-8") as file:
        return [{**row, "score": float(row["score"]), "flight": int(row["flight"])} for row in csv.DictReader(file)]


@pytest.mark.parametrize("into", [".csv", ".parquet", ".jsonl"])
@pytest.mark.parametrize("out_of", [".csv", ".parquet", ".jsonl"])
def test_files_in_and_out(place, answerer, now, tmp_path, monkeypatch, out_of, into):
    monkeypatch.setattr(batch, "CHUNK_ROWS", 4)
    rows = [place.request(n, distance=None if n == 2 else 0.1 + n) for n in range(10)]
    said = []
    count = predict_file(
        answerer,
        write(tmp_path / f"in{out_of}", rows),
        tmp_path / f"out{into}",
        now=now,
        log=place.store.log,
        caller="batch",
        progress=lambda share, what: said.append((share, what)),
    )
    got = read(tmp_path / f"out{into}")
    expected = answerer.answer(rows, now=now)
    assert count == len(got) == 10
    assert [row["score"] for row in got] == pytest.approx([a.score for a in expected], abs=1e-12)
    assert [row["flight"] for row in got] == list(range(10))
    assert {row["version"] for row in got} == {"late@1"}
    assert len(list(place.store.log.read(stream_of("late")))) == 10
    assert len(said) == 3 and said[-1][0] == 1.0
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_a_wrong_row_is_counted_over_the_whole_file(place, answerer, now, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "CHUNK_ROWS", 4)
    rows = [place.request(n) for n in range(10)]
    rows[6]["distance"] = "far"
    with pytest.raises(RowError) as refused:
        predict_file(answerer, write(tmp_path / "in.csv", rows), tmp_path / "out.csv", now=now)
    assert refused.value.errors[0][0] == "rows[6].distance"
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("in.csv", b"carrier,flight\nAA\n", LoadError),
        ("in.csv", b"carrier\n\xff\n", LoadError),
        ("in.jsonl", b"[1]\n", LoadError),
        ("in.parquet", b"PAR1", LoadError),
        ("in.txt", b"", WrongUse),
        ("in.csv", b"colour\nred\n", RowError),
    ],
)
def test_files_that_cannot_be_read(answerer, now, tmp_path, name, content, error):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error):
        predict_file(answerer, tmp_path / name, tmp_path / "out.csv", now=now)
    with pytest.raises(LoadError):
        predict_file(answerer, tmp_path / "none.csv", tmp_path / "out.csv", now=now)


def test_a_relation_brings_its_own_moments(place, now):
    answerer = Answerer(load(place.store, place.project, "late", 1), place.lake_values(), 1)
    con = connect(timezone="America/New_York")
    names = [name.removeprefix("_carried.") for name in place.rows.column_names]
    con.register("examples", place.rows.rename_columns(names))
    found = pa.concat_tables(
        predict_relation(answerer, con, "(select * from examples order by flight limit 200)", now=now)
    )
    assert found.num_rows == 200
    assert found.column("moment").to_pylist() == place.rows.slice(0, 200).column("moment").to_pylist()
    with pytest.raises(WrongUse, match="they have: other"):
        list(predict_relation(answerer, con, "(select 1 as other)", now=now))
