"""Versions as people write them: `late@7` of a model, `flights@v12` of a table."""

from __future__ import annotations

import re

from rondo.errors import WrongUse

_MODEL = re.compile(r"([^\W\d]\w*)@([1-9]\d*)")


def model_version(name: str, version: int) -> str:
    """`late@7`."""
    return f"{name}@{version}"


def table_version(name: str, version: int) -> str:
    """`flights@v12`."""
    return f"{name}@v{version}"


def parse_model_version(text: str) -> tuple[str, int]:
    """`late@7` as its name and number; WrongUse otherwise."""
    found = _MODEL.fullmatch(text)
    if found is None:
        raise WrongUse(f"{text!r} is not a version of a model.", next_step="Write it whole, such as late@7.")
    return found[1], int(found[2])
