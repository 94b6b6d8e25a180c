"""`rd.open(".")`: a project's handle, whose methods call what the commands call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rondo.loop.answering import answer_rows
from rondo.loop.running import Ran, run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.project.moments import parse_moment
from rondo.project.reading import find_root

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ModelHandle:
    """A model, or one of its versions."""

    work: Workplace
    name: str

    def predict(self, rows: Iterable[Mapping[str, object]]) -> list[dict[str, Any]]:
        """Answer rows by the way the server answers; nothing is logged."""
        return answer_rows(self.work, self.name, list(rows))["predictions"]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class ProjectHandle:
    """A project opened from Python."""

    work: Workplace

    def run(self, names: Sequence[str] = (), *, as_of: str | datetime | None = None) -> Ran:
        """`rondo run`."""
        return run(self.work, names, as_of=self._moment(as_of))

    def table(self, name: str, *, as_of: str | datetime | None = None) -> pa.Table:
        """Rows of a table, a dataset, a log or a kind of record, as Arrow."""
        group, dot, rest = name.partition(".")
        quoted = f'{group}."{rest}"' if dot else f'"{name}"'
        return self.sql(f"select * from {quoted}", as_of=as_of)

    def sql(self, query: str, *, as_of: str | datetime | None = None) -> pa.Table:
        """The rows of a query, as Arrow."""
        return self.work.catalog.query(query, as_of=self._moment(as_of), limit=None).rows

    def model(self, name: str) -> ModelHandle:
        """A model (`late`) or a version (`late@7`, `late@production`)."""
        return ModelHandle(self.work, name)

    def _moment(self, moment: str | datetime | None) -> datetime | None:
        if isinstance(moment, str):
            return parse_moment(moment, self.work.project.settings.timezone)
        return moment


def open(folder: str | Path = ".", *, state: str = "live", by: str | None = None) -> ProjectHandle:  # noqa: A001
    """The project at or above `folder`."""
    return ProjectHandle(open_workplace(find_root(Path(folder)), state=state, by=by))
