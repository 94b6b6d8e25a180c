from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rondo.errors import DeclarationError
from rondo.features.assembly import assemble
from rondo.features.signature import Column, Signature
from rondo.project.reading import read_project

Write = Callable[[Mapping[str, str]], Path]
VISITS = """/* ---
key: visit
time: asked
label: late
label_known: known
inputs: [origin, distance, planned]
derive:
  hour: hour(planned)
  far: distance > 10
--- */
select * from raw
"""
WEATHER = "/* ---\nkey: origin\ntime: hour\nknown: known\nkeep: 6h\n--- */\nselect * from raw\n"
PLANES = "/* ---\nkey: tailnum\n--- */\nselect * from raw\n"
MODEL = """import rondo as rd

m = rd.Model(
    examples="visits",
    task=rd.binary("late"),
    features=["weather", rd.feature("weather.wind", on={"origin": "dest"}, as_="there"), "planes.seats"],
    slices=["dest"],
)
"""
STAMP = "TIMESTAMP WITH TIME ZONE"
COLUMNS = {
    "visits": {
        "visit": "BIGINT", "asked": STAMP, "planned": STAMP, "origin": "VARCHAR", "dest": "VARCHAR", "distance": "DOUBLE",
        "tailnum": "VARCHAR", "late": "BOOLEAN", "known": STAMP,
    },
    "weather": {"origin": "VARCHAR", "hour": STAMP, "known": STAMP, "wind": "DOUBLE", "since": STAMP},
    "planes": {"tailnum": "VARCHAR", "seats": "BIGINT", "tags": "VARCHAR[]"},
}  # fmt: skip
DEFINITIONS = {name: name[0] * 64 for name in COLUMNS}


def signature(write: Write, files: Mapping[str, str] | None = None, columns: Mapping | None = None) -> Signature:
    root = write(
        {
            "rondo.toml": '[project]\nname = "p"\ntimezone = "America/New_York"\n',
            "sources.py": 'import rondo as rd\n\nraw = rd.Source(rd.files("x"))\n',
            "tables/visits.sql": VISITS,
            "tables/weather.sql": WEATHER,
            "tables/planes.sql": PLANES,
            "models/m.py": MODEL,
            **(files or {}),
        }
    )
    project = read_project(root)
    return assemble(project.model("m"), project, {**COLUMNS, **(columns or {})}, DEFINITIONS)


def test_a_declaration_becomes_a_signature(write: Write) -> None:
    found = signature(write)
    assert (found.model, found.examples, found.task, found.time) == ("m", "visits", "binary", "asked")
    assert found.key == (Column(name="visit", type="BIGINT"),) and found.label == Column(name="late", type="BOOLEAN")
    assert [column.name for column in found.inputs] == ["origin", "distance", "planned"]
    assert [(derived.name, derived.type) for derived in found.derived] == [("hour", "BIGINT"), ("far", "BOOLEAN")]
    assert [(look.prefix, look.on, look.names) for look in found.lookups] == [
        ("weather", (("origin", "origin"),), ("weather.wind", "weather.since")),
        ("there", (("origin", "dest"),), ("there.wind",)),
        ("planes", (("tailnum", "tailnum"),), ("planes.seats",)),
    ]
    assert [(look.time, look.known, look.keep_s) for look in found.lookups] == [
        ("hour", "known", 21_600),
        ("hour", "known", 21_600),
        (None, None, None),
    ]
    assert found.lookups[2].definition == "p" * 64


def test_a_moment_is_only_derived_from_and_carried_columns_are_never_fed(write: Write) -> None:
    found = signature(write)
    assert [column.name for column in found.fed] == [
        "origin", "distance", "hour", "far", "weather.wind", "there.wind", "planes.seats",
    ]  # fmt: skip
    assert [column.name for column in found.carried] == ["dest", "tailnum"]
    assert [column.name for column in found.request] == ["origin", "distance", "planned", "dest", "tailnum", "visit"]


def test_without_time_every_column_but_label_and_key_is_an_input(write: Write) -> None:
    files = {
        "tables/visits.sql": "/* ---\nkey: visit\nlabel: late\n--- */\nselect * from raw\n",
        "models/m.py": 'import rondo as rd\n\nm = rd.Model(examples="visits", task=rd.binary("late"))\n',
    }
    found = signature(write, files, {"visits": {"visit": "BIGINT", "a": "DOUBLE", "b": "VARCHAR", "late": "BIGINT"}})
    assert [column.name for column in found.inputs] == ["a", "b"] and found.carried == () and found.time is None


def changed(file: str, before: str, after: str) -> dict[str, str]:
    text = {
        "tables/visits.sql": VISITS,
        "models/m.py": MODEL,
        "tables/planes.sql": PLANES,
        "tables/weather.sql": WEATHER,
    }
    assert before in text[file]
    return {file: text[file].replace(before, after)}


def typed(table: str, column: str, kind: str | None) -> dict[str, dict[str, str]]:
    columns = {name: k for name, k in COLUMNS[table].items() if name != column}
    return {table: columns if kind is None else {**columns, column: kind}}


@pytest.mark.parametrize(
    ("files", "columns", "file", "said"),
    [
        ({}, typed("visits", "visit", None), "tables/visits.sql", "'visit' as key, but the query does not give it"),
        ({}, typed("visits", "late", None), "tables/visits.sql", "'late' as label"),
        ({}, typed("visits", "distance", None), "tables/visits.sql", "'distance' as input"),
        ({}, typed("visits", "origin", "VARCHAR[]"), "tables/visits.sql", "which no model can be fed"),
        ({}, typed("visits", "tailnum", None), "models/m.py", "has no column 'tailnum'"),
        ({}, typed("visits", "tailnum", "BIGINT"), "models/m.py", "they never match"),
        ({}, typed("weather", "known", None), "tables/weather.sql", "'known' as known"),
        ({}, typed("planes", "seats", None), "models/m.py", "planes has no column 'seats'; it has: tailnum, tags"),
        (changed("models/m.py", "planes.seats", "planes"), {}, "models/m.py", "planes.tags is a VARCHAR"),
        (changed("models/m.py", "planes.seats", "planes"), {"planes": {"tailnum": "VARCHAR"}}, "models/m.py", "no column beside"),
        (changed("models/m.py", '["dest"]', '["state"]'), {}, "models/m.py", "slices by 'state'"),
        (changed("models/m.py", '"dest"}', '"late"}'), {}, "models/m.py", "known only with the label"),
        (changed("tables/visits.sql", "far: distance > 10", "dest: distance > 10"), {}, "tables/visits.sql", "'dest'.*already"),
        (changed("tables/visits.sql", "distance > 10", "random() > distance"), {}, "tables/visits.sql", "derives far"),
        (changed("tables/visits.sql", "distance > 10", "dest = 'A'"), {}, "tables/visits.sql", "derives far"),
        (
            changed("tables/visits.sql", "distance, planned]", "distance, planned, split]"),
            typed("visits", "split", "VARCHAR"),
            "tables/visits.sql",
            "dataset's own column 'split'",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_names_its_file(
    write: Write, files: dict[str, str], columns: dict[str, dict[str, str]], file: str, said: str
) -> None:
    with pytest.raises(DeclarationError, match=said) as refused:
        signature(write, files, columns)
    assert refused.value.file == file and refused.value.line is not None


def test_a_timed_table_cannot_be_looked_up_without_a_moment(write: Write) -> None:
    untimed = "/* ---\nkey: visit\nlabel: late\n--- */\nselect * from raw\n"
    with pytest.raises(DeclarationError, match="weather has a time, but visits has none"):
        signature(write, {"tables/visits.sql": untimed})
