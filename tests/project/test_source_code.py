from __future__ import annotations

from pathlib import Path

import pytest

from rondo.project.source_code import code_fingerprint

MODEL = """
import numpy as np
import rondo as rd
from losses import weighted
import shapes

DEPTH = 3


class Mine:
    def fit(self, matrix, y, columns, seed):
        from late_import import chosen
        return weighted(shapes.flat(matrix), DEPTH, chosen)


def unrelated():
    return 1
"""
FILES = {
    "models/late.py": MODEL,
    "losses.py": """
from deeper import base


def weighted(x, depth, chosen):
    return base(x) * depth


def other():
    return 2
""",
    "deeper.py": "def base(x):\n    return x + 1\n",
    "models/shapes.py": "def flat(x):\n    return x.ravel()\n",
    "late_import.py": "chosen = 1\n",
}


def of(root: Path) -> str:
    return code_fingerprint(root / "models/late.py", "Mine", root)


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("models/late.py", "DEPTH = 3", "DEPTH = 4"),
        ("models/late.py", "shapes.flat(matrix)", "shapes.flat(matrix.T)"),
        ("losses.py", "base(x) * depth", "base(x) + depth"),
        ("deeper.py", "x + 1", "x + 2"),
        ("models/shapes.py", "x.ravel()", "x.flatten()"),
        ("late_import.py", "chosen = 1", "chosen = 2"),
    ],
)
def test_what_the_definition_reaches_is_part_of_it(write, file: str, before: str, after: str) -> None:
    first = of(write(FILES))
    assert first != of(write({**FILES, file: FILES[file].replace(before, after)}))


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("models/late.py", "return 1", "return 2"),
        ("models/late.py", "DEPTH = 3", "DEPTH =  3  # why three"),
        ("losses.py", "return 2", "return 3"),
        ("deeper.py", "    return x + 1", "\n    return x + 1"),
        ("deeper.py", "def base", "# a remark\ndef base"),
    ],
)
def test_remarks_layout_and_what_is_not_reached_change_nothing(write, file: str, before: str, after: str) -> None:
    first = of(write(FILES))
    assert first == of(write({**FILES, file: FILES[file].replace(before, after)}))


def test_the_folder_it_stands_in_changes_nothing(write, tmp_path: Path) -> None:
    root = write(FILES)
    first = of(root)
    assert of(root.rename(tmp_path / "elsewhere")) == first


PACKAGE = {
    "trainers/__init__.py": "",
    "trainers/mine.py": "from .parts import step\n\n\nclass Mine:\n    def fit(self):\n        return step()\n",
    "trainers/parts.py": "def step():\n    return 1\n",
    "models/late.py": "from trainers import mine\n\nchosen = mine.Mine()\n",
    "models/other.py": "import trainers.mine\n\nchosen = trainers.mine.Mine()\n",
}


@pytest.mark.parametrize("file", ["models/late.py", "models/other.py"])
def test_modules_of_a_package_are_followed(write, file: str) -> None:
    root = write(PACKAGE)
    first = code_fingerprint(root / file, "chosen", root)
    write({**PACKAGE, "trainers/parts.py": "def step():\n    return 2\n"})
    assert code_fingerprint(root / file, "chosen", root) != first


CHOICE = "if True:\n    depth = 3\nelse:\n    depth = 4\ndepth += 1\n\n\ndef fit():\n    return depth\n"


@pytest.mark.parametrize(("before", "after"), [("depth = 3", "depth = 5"), ("depth += 1", "depth += 2")])
def test_every_statement_that_sets_a_name_counts(write, before: str, after: str) -> None:
    root = write({"models/m.py": CHOICE})
    first = code_fingerprint(root / "models/m.py", "fit", root)
    write({"models/m.py": CHOICE.replace(before, after)})
    assert code_fingerprint(root / "models/m.py", "fit", root) != first


def test_files_that_import_one_another_come_to_an_end(write) -> None:
    files = {"a.py": "from b import *\n\n\ndef f():\n    return g, absent\n", "b.py": "from a import *\n\ng = 1\n"}
    root = write(files)
    first = code_fingerprint(root / "a.py", "f", root)
    write({**files, "b.py": "from a import *\n\ng = 2\n"})
    assert code_fingerprint(root / "a.py", "f", root) != first


def test_an_argument_alone(write) -> None:
    text = "import rondo as rd\n\nDEPTH = 3\nm = rd.Model(examples='e', train=Mine(depth=DEPTH), owner='mia')\n"

    def of_argument(text: str) -> str:
        root = write({"models/m.py": text})
        return code_fingerprint(root / "models/m.py", "m", root, argument="train")

    first = of_argument(text)
    assert of_argument(text.replace("mia", "kim")) == first
    assert of_argument(text.replace("DEPTH = 3", "DEPTH = 4")) != first
    assert of_argument(text.replace("Mine(", "Yours(")) != first


def test_a_byte_order_mark_is_no_code(write) -> None:
    root = write({"m.py": "\ufeffa = 1\n"})
    marked = code_fingerprint(root / "m.py", "a", root)
    write({"m.py": "a = 1\n"})
    assert code_fingerprint(root / "m.py", "a", root) == marked
