"""Test sets: rows set apart, joined with features as they were known at each row's moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rondo.errors import BuildError, DeclarationError
from rondo.features.as_of import as_of_query
from rondo.features.signature import Signature
from rondo.project.models import Model
from rondo.project.reading import TestSet
from rondo.project.tables import Table
from rondo.records.tables import CARRIED, GOLDEN_ROW, GOLDEN_SCORE
from rondo.sql.engine import connect, describe, literal, quote, run
from rondo.sql.parsing import check_single_select, tables_read
from rondo.sql.relations import Catalog

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

PLACE = "_rondo_place"
SCORE = "score"
"""In JSON lines the score that a row must get, unless the examples have a column of that name."""
SPINE = "_rondo_testset"


class TestRows:
    """The examples of a test set in a session of their own, in one order. Use it in a `with`."""

    __test__ = False

    def __init__(
        self,
        con: DuckDBPyConnection,
        examples: Table,
        slices: Sequence[str],
        columns: Mapping[str, str],
        golden: Sequence[str] = (),
    ) -> None:
        self._con, self._examples, self._slices, self._columns = con, examples, slices, columns
        self._golden = golden

    def __enter__(self) -> TestRows:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._con.close()

    def joined(self, signature: Signature, relations: Mapping[str, str], *, also: Sequence[str] = ()) -> pa.Table:
        """The rows as a version is fed them: its fed columns, `label`, `moment` if timed, and columns to slice by.

        Of a golden test set also the scores expected. `also` are more columns of the examples to carry; those that
        these do not have are left out.
        """
        table = self._examples
        assert table.label is not None
        derived = {d.name for d in signature.derived}
        carried = dict.fromkeys([*self._slices, *also])
        apart = [name for name in carried if name in self._columns and name not in {c.name for c in signature.fed}]
        inputs = [c.name for c in signature.inputs]
        timed = [table.time] if table.time else []
        carry = list(dict.fromkeys([PLACE, *self._golden, *inputs, table.label, *apart, *timed]))
        query = as_of_query(signature, f"(select * from {SPINE})", relations, carry=carry)
        fed = [quote(column.name) for column in signature.fed]
        items = [*fed, f"{quote(table.label)} as {quote('label')}" if table.label != "label" else quote("label")]
        items += [f"{quote(name)} as {quote(CARRIED + name)}" for name in apart]
        items += [
            quote(name) for name in self._slices if name in derived and name not in {c.name for c in signature.fed}
        ]
        items += [f"{quote(table.time)}::timestamptz as moment"] if table.time else []
        items += [quote(name) for name in self._golden]
        return self._con.sql(f"select {', '.join(items)} from ({query}) order by {PLACE}").to_arrow_table()


def open_testset(testset: TestSet, model: Model, *, catalog: Catalog, now: datetime) -> TestRows:
    """Lay out a test set's examples. Labels that are not known by `now` read as null.

    Raises DeclarationError where columns are missing or unknown, BuildError where there is no row.
    """
    project = catalog.project
    examples = project.tables[model.examples]
    con = connect(timezone=project.settings.timezone)
    try:
        columns = catalog.version_of(examples.name).columns
        query = (
            _of_query(con, testset, catalog) if testset.kind == "sql" else _of_file(con, testset, project.root, columns)
        )
        given = describe(con, query, file=testset.file)
        _refuse_missing(testset, examples, given)
        items = [quote(name) if name in given else f"null::{kind} as {quote(name)}" for name, kind in columns.items()]
        golden = [name for name in (GOLDEN_SCORE, GOLDEN_ROW) if name in given]
        items += [quote(name) for name in golden]
        first = [*([examples.time] if examples.time else []), *examples.key]
        order = ", ".join(map(quote, dict.fromkeys([*first, *columns, *golden])))
        rows = f"select {', '.join(items)} from ({query}\n)"
        laid_out = f"select row_number() over (order by {order}) as {PLACE}, *{_known_labels(examples, given, now)}"
        run(con, f"create temp table {SPINE} as {laid_out} from ({rows})", file=testset.file)
        [[count]] = run(con, f"select count(*) from {SPINE}")
        if not count:
            raise BuildError(
                f"The test set {testset.name} has no row.",
                next_step=f"Mend {testset.file}, or run `rondo run`.",
                file=testset.file,
            )
    except BaseException:
        con.close()
        raise
    return TestRows(con, examples, model.slices, columns, golden)


def _known_labels(examples: Table, given: Mapping[str, str], now: datetime) -> str:
    """What hides labels that are not known yet."""
    label, known = quote(examples.label or ""), examples.label_known
    if not known or known not in given:
        return ""
    return f" replace (case when {quote(known)}::timestamptz <= {literal(now)} then {label} end as {label})"


def _of_query(con: DuckDBPyConnection, testset: TestSet, catalog: Catalog) -> str:
    assert testset.sql is not None
    sql = testset.sql.strip().rstrip(";")
    check_single_select(sql, file=testset.file)
    for name in tables_read(sql):
        catalog.publish(con, name)
    return sql


def _of_file(con: DuckDBPyConnection, testset: TestSet, root: Path, columns: Mapping[str, str]) -> str:
    path = literal(str(root / testset.file))
    read = f"read_csv({path}, all_varchar = true, header = true)" if testset.kind == "csv" else f"read_json({path})"
    given = describe(con, f"select * from {read}", file=testset.file)
    golden = testset.kind == "jsonl" and SCORE in given and SCORE not in columns
    if unknown := [name for name in given if name not in columns and not (golden and name == SCORE)]:
        raise DeclarationError(
            f"{testset.file} has a column {unknown[0]!r} that the examples lack; they have: {', '.join(columns)}.",
            next_step="Take the column out, or name it as the examples do.",
            file=testset.file,
            line=1,
        )
    items = [f"{quote(name)}::{columns[name]} as {quote(name)}" for name in given if name in columns]
    if golden:
        items += [f"case when {SCORE} is not null then to_json({SCORE})::varchar end as {quote(GOLDEN_SCORE)}"]
        items += [f"row_number() over () as {quote(GOLDEN_ROW)}"]
    return f"select {', '.join(items)} from {read}"


def _refuse_missing(testset: TestSet, examples: Table, given: Mapping[str, str]) -> None:
    needed = [examples.label or "", *([examples.time] if examples.time else [])]
    if missing := [name for name in needed if name not in given]:
        raise DeclarationError(
            f"The test set {testset.name} lacks the column {missing[0]!r}; it has: {', '.join(given)}.",
            next_step=f"Add it to {testset.file}.",
            file=testset.file,
            line=1,
        )
