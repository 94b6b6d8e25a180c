"""Test sets out of JSON lines: rows in their order of time, each with the score that its line expects."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from rondo.data.testsets import open_testset
from rondo.errors import DeclarationError
from rondo.features.assembly import assemble
from rondo.project.reading import read_project
from rondo.records.tables import GOLDEN_ROW, GOLDEN_SCORE, TableVersion
from rondo.sql.relations import Catalog
from rondo.store.opening import open_store

NOW = datetime(2024, 6, 1, tzinfo=UTC)
TABLE = """/* ---
key: visit
time: asked
label: late
label_known: known
inputs: [{inputs}]
--- */
select * from raw
"""
MODEL = "import rondo as rd\n\nm = rd.Model(examples='visits', task=rd.binary('late'), train=rd.linear())\n"
STAMP = "TIMESTAMP WITH TIME ZONE"
COLUMNS = {"visit": "BIGINT", "asked": STAMP, "distance": "DOUBLE", "late": "BOOLEAN", "known": STAMP}
LINES = """
{"visit": 2, "asked": "2024-05-02", "distance": 2, "late": true, "score": 0.25}
{"visit": 1, "asked": "2024-05-01", "distance": 1, "late": null, "score": 1e-7}

{"visit": 3, "asked": "2024-05-03", "distance": 3, "late": false}
"""


@pytest.fixture
def read(write):
    """Reads the lines of a golden test set as a version of `m` is fed them."""

    def reading(lines: str, more: dict[str, str] | None = None) -> pa.Table:
        columns = {**COLUMNS, **(more or {})}
        root = write(
            {
                "rondo.toml": '[project]\nname = "p"\n',
                "sources.py": 'import rondo as rd\n\nraw = rd.Source(rd.files("x"))\n',
                "tables/visits.sql": TABLE.format(inputs=", ".join(["distance", *(more or {})])),
                "models/m.py": MODEL,
                "testsets/golden.jsonl": lines,
            }
        )
        project, store = read_project(root), open_store(root)
        landed = TableVersion(
            name="visits",
            version=1,
            stage="table",
            definition="d",
            build="b",
            path="p",
            delta=0,
            rows=0,
            columns=columns,
        )
        store.ledger.append(landed, by="kim")
        model = project.model("m")
        signature = assemble(model, project, {"visits": columns}, {"visits": "d"})
        catalog = Catalog(project, store.ledger, store.lake)
        with open_testset(project.testsets["golden"], model, catalog=catalog, now=NOW) as rows:
            return rows.joined(signature, {})

    return reading


def test_each_row_keeps_its_score_and_its_place_in_the_file(read) -> None:
    rows = read(LINES)
    assert rows.column("distance").to_pylist() == [1.0, 2.0, 3.0]
    assert rows.column("label").to_pylist() == [None, True, False]
    assert rows.column(GOLDEN_ROW).to_pylist() == [2, 1, 3]
    assert [text and float(text) for text in rows.column(GOLDEN_SCORE).to_pylist()] == [1e-7, 0.25, None]


def test_without_scores_it_is_a_test_set_like_others(read) -> None:
    rows = read('{"visit": 2, "asked": "2024-05-02", "distance": 2, "late": true}')
    assert rows.column_names == ["distance", "label", "moment"]


def test_a_column_of_the_examples_that_is_called_score_is_that_column(read) -> None:
    rows = read('{"visit": 2, "asked": "2024-05-02", "distance": 2, "late": true, "score": 7}', {"score": "BIGINT"})
    assert rows.column_names == ["distance", "score", "label", "moment"] and rows.column("score").to_pylist() == [7]


def test_a_column_that_the_examples_lack_is_refused(read) -> None:
    with pytest.raises(DeclarationError, match="has a column 'scores'"):
        read('{"visit": 2, "asked": "2024-05-02", "distance": 2, "late": true, "scores": 0.5}')
