from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from rondo.project.models import Model, OwnTrainer
from rondo.project.reading import read_project

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


@pytest.mark.parametrize("page", sorted(path.name for path in HOWTO.glob("*.md")))
def test_every_command_in_a_howto_is_one(page: str) -> None:
    from rondo.cli.app import app

    known = {c.callback.__name__ for c in app.registered_commands if c.callback}
    said = [line.split()[2] for block in blocks(page, "console") for line in block.splitlines() if "$ rondo " in line]
    assert set(said) <= known
