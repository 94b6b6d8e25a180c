"""Answered rows with what became of them, read from the lake: whole, by window, or a sample with what was fed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

from rondo.data.labels import column_of as outcome_column
from rondo.data.labels import current_outcomes
from rondo.deploy.logged import column_of
from rondo.loop.versions import dataset_of, packed_version
from rondo.loop.workplace import Workplace
from rondo.monitor.cohorts import Cohort, cohort_of, cohort_query
from rondo.project.models import Model
from rondo.records.development import Version
from rondo.sql.engine import connect

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


class AnsweredRows:
    """What production has answered, in one session. `number` is the version whose signature says where rows are."""

    def __init__(self, work: Workplace, model: Model, number: int, con: DuckDBPyConnection) -> None:
        self.signature = packed_version(work, model.name, number).signature
        self._work, self._model, self._con = work, model, con
        self._label_delay_s = label_delay_s(work, model, number)
        work.catalog.publish(con, f"predictions.{model.name}")
        self.relation = f'"predictions"."{model.name}"'
        self.columns = set(con.sql(f"select * from {self.relation} limit 0").columns)
        self._outcomes = None
        if work.store.lake.version(f"outcomes/{model.name}") is not None:
            work.catalog.publish(con, f"outcomes.{model.name}")
            self._outcomes = current_outcomes(f'"outcomes"."{model.name}"', model, work.project, as_of=work.now())

    def column(self, name: str) -> str | None:
        """Where a field of a request, or a feature, stands among the answers; None where it does not."""
        keys = {column.name for column in self.signature.key}
        found = column_of(name, "key" if name in keys else "input")
        return found if found in self.columns else None

    def columns_of(self, names: Iterable[str]) -> dict[str, str]:
        """Those of the names that are there, with their columns."""
        return {name: column for name in names if (column := self.column(name)) is not None}

    def rows(
        self,
        *,
        slices: Iterable[str] = (),
        fed: Iterable[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        version: str | None = None,
        rows: int | None = None,
    ) -> pa.Table:
        """The rows of `monitor.cohorts.cohort_query`, with these columns to slice by and what was `fed`."""
        keys = [(column_of(column.name, "key"), outcome_column(column.name)) for column in self.signature.key]
        query = cohort_query(
            self.signature,
            self.relation,
            self._outcomes,
            keys=keys,
            label_delay_s=self._label_delay_s,
            now=self._work.now(),
            slices=self.columns_of(slices),
            fed={name: self.column(name) for name in fed},
            since=since,
            until=until,
            version=version,
            rows=rows,
        )
        return self._con.sql(query).to_arrow_table()

    def cohort(
        self,
        *,
        slices: Iterable[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        version: str | None = None,
        rows: int | None = None,
    ) -> Cohort:
        """The rows as arrays."""
        found = self.rows(slices=slices, since=since, until=until, version=version, rows=rows)
        return cohort_of(found, self.signature)


def answered(work: Workplace, model: Model, number: int, *, slices: Collection[str] = ()) -> Cohort | None:
    """All that production has answered, with what became of it; None before the first answer."""
    if work.store.lake.version(f"predictions/{model.name}") is None and work.catalog.live(model.name) is None:
        return None
    with closing(connect(timezone=work.project.settings.timezone)) as con:
        return AnsweredRows(work, model, number, con).cohort(slices=slices)


def label_delay_s(work: Workplace, model: Model, number: int) -> float:
    """How long after its moment a row's outcome is due: declared, or the longest seen in training."""
    declared = work.project.tables[model.examples].label_delay_s
    if declared is not None:
        return float(declared)
    entry = work.store.ledger.latest(Version, name=model.name, version=number)
    seen = dataset_of(work, entry.record).label_delay_s if entry else None
    return seen or 0.0
