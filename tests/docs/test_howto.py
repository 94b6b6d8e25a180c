from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from rondo.features.signature import Column, Signature
from rondo.models.encoding import Coding, Encoder
from rondo.models.linear import Constant
from rondo.models.onnx import export
from rondo.models.packed import Packed
from rondo.project.models import Model, OwnTrainer
from rondo.project.reading import read_project
from rondo.project.serving import Serving

HOWTO = Path(__file__).parents[2] / "docs" / "howto"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (HOWTO / page).read_text(), re.DOTALL)


def test_the_own_trainer_fits_and_comes_back_from_bytes_the_same() -> None:
    scope: dict[str, object] = {}
    exec(blocks("own-trainer.md", "python")[0], scope)
    model = scope["churn"]
    assert isinstance(model, Model)
    assert isinstance(model.train, OwnTrainer)
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(200, 3))
    matrix[::7, 1] = np.nan
    y = (matrix[:, 0] > 0).astype(float)
    fitted = model.train.fit(matrix, y, ["a", "b", "c"], 0)
    again = model.train.load(model.train.save(fitted))
    scores = fitted.predict(matrix)
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert scores[y == 1].mean() > scores[y == 0].mean() + 0.1
    np.testing.assert_array_equal(again.predict(matrix), scores)


def test_the_smallest_project_can_be_read(tmp_path: Path) -> None:
    sources, model = blocks("own-data.md", "python")
    [table] = blocks("own-data.md", "sql")
    for name, text in (
        ("rondo.toml", '[project]\nname = "churn"\n'),
        ("sources.py", sources),
        ("tables/customers.sql", table),
        ("models/churn.py", model),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    project = read_project(tmp_path)
    assert set(project.models) == {"churn"}
    assert project.tables["customers"].is_examples


def test_an_exported_model_answers_as_the_page_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fed = (Column(name="carrier", type="VARCHAR"), Column(name="distance", type="DOUBLE"))
    signature = Signature(
        model="late", examples="departures", task="binary", timezone="UTC", key=(), time=None, inputs=fed, carried=(),
        derived=(), lookups=(), fed=fed, label=Column(name="late", type="BOOLEAN"), label_known=None, classes=(False, True),
    )  # fmt: skip
    encoder = Encoder((Coding("carrier", "category", ("UA", "B6")), Coding("distance", "number")))
    packed = Packed(signature, encoder, Constant(2, (0.3,)), threshold=0.25)
    (tmp_path / "late.onnx").write_bytes(export(packed, "late@7").content)
    monkeypatch.chdir(tmp_path)
    exec(blocks("export.md", "python")[0], {})
    assert capsys.readouterr().out == "late@7 [0.3] [ True]\n"


@pytest.mark.parametrize("page", sorted(path.name for path in HOWTO.glob("*.md")))
def test_every_command_in_a_howto_is_one(page: str) -> None:
    from rondo.cli.app import app

    known = {c.callback.__name__ for c in app.registered_commands if c.callback}
    said = [line.split()[2] for block in blocks(page, "console") for line in block.splitlines() if "$ rondo " in line]
    assert set(said) <= known


def test_the_settings_of_the_security_page_are_ones(tmp_path: Path) -> None:
    for text in blocks("security.md", "toml"):
        (tmp_path / "rondo.toml").write_text('[project]\nname = "p"\n' + text)
        assert read_project(tmp_path).settings.serving != Serving()
