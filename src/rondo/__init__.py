"""Rondo: the whole machine-learning loop in one tool.

A project's own files say `import rondo as rd` and declare with `rd.Source`, `rd.Model` and the words beside them;
programs say `rd.open(".")`. Nothing is loaded before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rondo.project.checks import distribution, in_table, not_null, row_count, unique
    from rondo.project.metrics import metric
    from rondo.project.models import (
        Model,
        auto,
        binary,
        by_group,
        by_time,
        constant,
        cost,
        feature,
        lightgbm,
        linear,
        multiclass,
        random,
        regression,
    )
    from rondo.project.sources import Source, files

__version__ = "0.1.0"

_HOMES = {
    "rondo.project.sources": ("Source", "files"),
    "rondo.project.checks": ("distribution", "in_table", "not_null", "row_count", "unique"),
    "rondo.project.models": (
        "Model", "auto", "binary", "by_group", "by_time", "constant", "cost", "feature", "lightgbm", "linear",
        "multiclass", "random", "regression",
    ),
    "rondo.project.metrics": ("metric",),
    "rondo.cli.opening": ("open",),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Model",
    "Source",
    "__version__",
    "auto",
    "binary",
    "by_group",
    "by_time",
    "constant",
    "cost",
    "distribution",
    "feature",
    "files",
    "in_table",
    "lightgbm",
    "linear",
    "metric",
    "multiclass",
    "not_null",
    "open",
    "random",
    "regression",
    "row_count",
    "unique",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"rondo has no {name!r}; it has: {', '.join(sorted(_HOME_OF))}")
    value: object = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
