from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rondo.errors import DeclarationError, NotFound
from rondo.project.reading import find_root, read_project

SOURCES = 'import rondo as rd\n\nraw = rd.Source(rd.files("data/*.csv"), key="id", owner="engineer")\n'
EXAMPLES = "/* ---\nkey: id\nlabel: late\nowner: analyst\n--- */\nselect id, late, origin from raw\n"
PLANES = "/* ---\nkey: tailnum\n--- */\nselect tailnum, seats from raw\n"
MODEL = """import rondo as rd

late = rd.Model(
    examples="departures",
    task=rd.binary("late"),
    features=["planes.seats"],
)
"""
PRD = """---
kind: prd
model: late
undecided: canary
requirements:
  - roc_auc >= 0.6
  - f1 >= 0.2 on storms
---
# Why
"""
FILES = {
    "sources.py": SOURCES,
    "tables/departures.sql": EXAMPLES,
    "tables/planes.sql": PLANES,
    "models/late.py": MODEL,
    "docs/prd.md": PRD,
    "docs/plan.md": "# Plan\n",
    "docs/design.md": "---\nkind: design\nwhatever: 1\n---\n",
    "testsets/storms.csv": "id\n1\n",
    "testsets/december.sql": "select * from departures\n",
    "testsets/notes.txt": "not rows\n",
}


def test_a_whole_project(write) -> None:
    project = read_project(write(FILES))
    assert project.names == {"raw", "departures", "planes"}
    assert (project.sources["raw"].name, project.sources["raw"].file, project.sources["raw"].line) == (
        "raw",
        "sources.py",
        3,
    )
    assert (project.model("late").file, project.model("late").line) == ("models/late.py", 3)
    prd = project.prds["late"]
    assert (prd.file, prd.undecided, [r.line for r in prd.requirements]) == ("docs/prd.md", "canary", [6, 7])
    assert {name: testset.kind for name, testset in project.testsets.items()} == {"storms": "csv", "december": "sql"}
    assert project.testsets["december"].sql == "select * from departures\n"
    assert [project.owner_of(name) for name in ("raw", "departures", "late", "nothing")] == [
        "engineer",
        "analyst",
        None,
        None,
    ]


def test_a_name_alone_is_a_project(write) -> None:
    project = read_project(write({}))
    assert not project.names and not project.models and not project.prds


def test_reading_twice_gives_the_same(write) -> None:
    root = write(FILES)
    assert read_project(root) == read_project(root)


def test_a_projects_files_import_one_another_and_leave_nothing_behind(write) -> None:
    root = write(
        {
            **FILES,
            "words_of_this_project.py": 'LABEL = "late"\n',
            "models/late.py": "from words_of_this_project import LABEL\n" + MODEL.replace('"late")', "LABEL)"),
        }
    )
    before = list(sys.path)
    assert read_project(root).model("late").task.label == "late"
    assert "words_of_this_project" not in sys.modules and sys.path == before


def test_only_what_a_file_names_is_declared(write) -> None:
    root = write({**FILES, "models/late.py": MODEL + "\n_hidden = late\nagain = late\n"})
    assert set(read_project(root).models) == {"late"}


def test_custom_metrics_are_read_by_name(write) -> None:
    text = 'import rondo as rd\n\n\n@rd.metric(unit="min")\ndef delay(y_true, y_score, y_label):\n    return 1.0\n'
    metrics = read_project(write({**FILES, "metrics.py": text})).metrics
    assert metrics["delay"].unit == "min" and metrics["delay"].function([], [], []) == 1.0


def test_the_root_is_found_from_below(write) -> None:
    root = write(FILES)
    assert find_root(root / "tables") == find_root(root) == root.resolve()


def test_outside_of_a_project(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="There is no project"):
        find_root(tmp_path)


def test_an_unknown_model_lists_those_there_are(write) -> None:
    with pytest.raises(NotFound, match="there are: late"):
        read_project(write(FILES)).model("lat")


def model(old: str, new: str) -> dict[str, str]:
    return {"models/late.py": MODEL.replace(old, new)}


@pytest.mark.parametrize(
    ("files", "file", "line", "said"),
    [
        ({"sources.py": SOURCES + "raw2 = rd.Source('x')\n"}, "sources.py", 4, "is a reader"),
        ({"sources.py": SOURCES + "1 / 0\n"}, "sources.py", 4, "ZeroDivisionError"),
        ({"sources.py": SOURCES + "def f(:\n"}, "sources.py", 4, "is not Python"),
        ({"sources.py": SOURCES + "import sys; sys.exit(3)\n"}, "sources.py", 4, "SystemExit"),
        ({"sources.py": SOURCES + "import broken\n", "broken.py": "x = 1\ndef f(:\n"}, "broken.py", 2, "is not Python"),
        (
            {"sources.py": SOURCES + "import broken\n", "broken.py": "x = 1\n\ny = x / 0\n"},
            "broken.py",
            3,
            "ZeroDivision",
        ),
        (
            {"sources.py": SOURCES + 'planes = rd.Source(rd.files("p"))\n'},
            "tables/planes.sql",
            1,
            "a source and a table of one name",
        ),
        (
            {"sources.py": SOURCES + 'Planes = rd.Source(rd.files("p"))\n'},
            "tables/planes.sql",
            1,
            "a source and a table of one name",
        ),
        ({"tables/Planes.sql": PLANES}, "tables/planes.sql", 1, "differ only in letter case"),
        ({"models/raw.py": MODEL.replace("late = ", "raw = ")}, "models/raw.py", 3, "a source or a table as well"),
        ({"models/two.py": MODEL}, "models/two.py", 3, "stands in models/late.py and in models/two.py"),
        (model('examples="departures"', 'examples="departure"'), "models/late.py", 3, "examples tables: departures"),
        (model('examples="departures"', 'examples="planes"'), "models/late.py", 3, "declares no label"),
        (model('"late")', '"delayed")'), "models/late.py", 3, "the label of departures is 'late'"),
        (model('["planes.seats"]', '["plane.seats"]'), "models/late.py", 3, "'plane', which is no table"),
        (model('["planes.seats"]', '["raw"]'), "models/late.py", 3, "'raw', which is no table"),
        (model("],", '], split=rd.by_time(validation="1d", test="1d"),'), "models/late.py", 3, "no time to split by"),
        (
            model('["planes.seats"]', '[rd.feature("planes", on={"tail": "tail"})]'),
            "models/late.py",
            3,
            "'tail', which is not in the key of planes",
        ),
        ({"tables/planes.sql": "select 1 as a\n"}, "models/late.py", 3, "planes has no key"),
        (model("],", '], train="lightgbm",'), "models/late.py", 3, "has no fit, save and load"),
        ({"docs/prd.md": PRD.replace("model: late", "model: lat")}, "docs/prd.md", 3, "'lat'; there are: late"),
        ({"docs/prd.md": PRD.replace("canary", "maybe")}, "docs/prd.md", 4, "block, canary, sign"),
        ({"docs/prd.md": PRD.replace("0.6", "high")}, "docs/prd.md", 6, "the limit is missing"),
        ({"docs/prd.md": PRD.replace("roc_auc >= 0.6", "a: b")}, "docs/prd.md", 5, "not a list of lines"),
        ({"docs/prd.md": PRD.replace("storms", "floods")}, "docs/prd.md", 7, "'floods'; test sets: december, storms"),
        ({"docs/prd.md": PRD.replace("undecided", "otherwise")}, "docs/prd.md", 4, "unknown key 'otherwise'"),
        ({"docs/prd.md": PRD.replace("kind: prd", "kind: [prd")}, "docs/prd.md", 3, "cannot be read"),
        ({"docs/second.md": PRD}, "docs/second.md", 3, "has another PRD, docs/prd.md"),
        ({"testsets/storms.sql": "select 1"}, "testsets/storms.sql", None, "there is another"),
        ({"testsets/test.sql": "select 1"}, "testsets/test.sql", None, "is not a name for a test set"),
        ({"testsets/two words.csv": "a\n"}, "testsets/two words.csv", None, "is not a name for a test set"),
        ({"metrics.py": "import rondo as rd\n\nx = rd.metric(task='many')\n"}, "metrics.py", 3, "task is 'many'"),
    ],
)
def test_a_project_that_does_not_hold_together_names_file_and_line(
    write, files: dict[str, str], file: str, line: int | None, said: str
) -> None:
    with pytest.raises(DeclarationError, match=said) as refused:
        read_project(write({**FILES, **files}))
    assert (refused.value.file, refused.value.line) == (file, line)


@pytest.mark.parametrize("file", ["sources.py", "models/late.py", "testsets/december.sql", "metrics.py"])
def test_a_file_that_is_not_utf_8_is_refused(write, file: str) -> None:
    root = write(FILES)
    (root / file).write_bytes("# größe\n".encode("latin-1"))
    with pytest.raises(DeclarationError, match="is not UTF-8") as refused:
        read_project(root)
    assert refused.value.file == file


def test_an_environment_in_the_projects_folder_is_not_the_projects(write, monkeypatch) -> None:
    root = write({**FILES, ".venv/lib/site-packages/a_library_in_the_folder.py": "known = []\n"})
    write({"models/late.py": "import a_library_in_the_folder\n" + MODEL})
    monkeypatch.syspath_prepend(root / ".venv/lib/site-packages")
    read_project(root)
    assert sys.modules.pop("a_library_in_the_folder").known == []
