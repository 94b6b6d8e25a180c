"""Answers that were given lately, and those about a key: for people who look, bounded whatever there is.

A file of the lake says which moments it holds, so that most of them stay unread; the log is read whole, and only what
may be shown of it is decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain

from rondo.deploy.logged import Logged, column_of, decode
from rondo.deploy.predictions import landings, logged_of_row, path_of, stream_of
from rondo.errors import NotFound
from rondo.features.signature import Signature
from rondo.records.tables import Scalar
from rondo.sql.engine import connect, literal, quote, relation_of_files
from rondo.store.opening import Store
from rondo.store.spans import may_hold, span

FAR = datetime(9000, 1, 1, tzinfo=UTC)


def newest_answers(store: Store, model: str, rows: int, *, until: datetime | None = None) -> list[Logged]:
    """The last so many answers that were given (by `until`), newest first; what was only scored beside is left out."""
    waiting = [each for each in _in_log(store, model, rows) if each.beside is None and each.at <= (until or FAR)]
    found = sorted([*waiting, *_newest_in_lake(store, model, rows, until)], key=_order, reverse=True)
    return list({each.id: each for each in found}.values())[:rows]


def answers_about(
    store: Store,
    signature: Signature,
    key: Mapping[str, str],
    since: datetime,
    until: datetime,
    *,
    most: int = 50,
    label: Scalar = None,
) -> list[Logged]:
    """The answers asked about in a stretch of time (half-open) whose key columns read as these texts, newest first.

    The stretch is of the key's own moment where it has one, else of the moment that was asked about. `label` leaves out
    what was called otherwise.
    """
    model = signature.model
    timed = next((column.name for column in signature.key if column.type.upper().startswith("TIMESTAMP")), None)
    kept = [
        each
        for each in _in_log(store, model, None)
        if each.beside is None
        and label in (None, each.label)
        and all(_text(each.request.get(name)) == text.casefold() for name, text in key.items())
        and since <= (each.request.get(timed) or each.moment if timed else each.moment) < until
    ]
    name = column_of(timed, "key") if timed else "moment"
    files = may_hold(_files(store, model), name, since, until)
    if files:
        column = quote(name)
        named = [(quote(column_of(each, "key")), literal(text.casefold())) for each, text in key.items()]
        equal = [f"lower({each}::varchar) = {text}" for each, text in named]
        within = [f"{column} >= {literal(since)}", f"{column} < {literal(until)}", "beside is null"]
        called = [] if label is None else [f"label = {literal(label)}"]
        where = " and ".join([*within, *equal, *called])
        kept += _queried(f"select * from {relation_of_files(files)} where {where} order by moment desc limit {most}")
    found = sorted(kept, key=_order, reverse=True)
    return list({each.id: each for each in found}.values())[:most]


def _order(logged: Logged) -> tuple[datetime, datetime, str]:
    return logged.at, logged.moment, logged.id


def _text(value: object) -> str:
    return "" if value is None else str(value).casefold()


def _in_log(store: Store, model: str, rows: int | None) -> Iterator[Logged]:
    """What is logged and may not be in the lake yet; of each segment the last so many."""
    confirmed, _ = landings(store.ledger, model)
    segments: dict[str, deque[bytes]] = {}
    for segment, _, payload in store.log.read(stream_of(model), confirmed.segments if confirmed else {}):
        segments.setdefault(segment, deque(maxlen=rows and 3 * rows)).append(payload)  # some were scored beside
    return map(decode, chain.from_iterable(segments.values()))


def _newest_in_lake(store: Store, model: str, rows: int, until: datetime | None) -> list[Logged]:
    spans = sorted(((_span(file), file) for file in _files(store, model)), key=lambda each: each[0][1], reverse=True)
    spans = [each for each in spans if until is None or each[0][0] <= until]
    chosen: list[str] = []
    for n, (_, file) in enumerate(spans):
        chosen.append(file)
        since = _nth(chosen, rows, until)
        if since is not None and all(later[1] < since for later, _ in spans[n + 1 :]):
            break
    if not chosen:
        return []
    since = _nth(chosen, rows, until)
    bounds = [f'"at" >= {literal(since)}'] if since else []
    bounds += [f'"at" <= {literal(until)}'] if until else []
    where = " and ".join(["beside is null", *bounds])
    order = '"at" desc, moment desc, id desc'
    return _queried(f"select * from {relation_of_files(chosen)} where {where} order by {order} limit {rows}")


def _files(store: Store, model: str) -> Sequence[str]:
    try:
        return store.lake.files(path_of(model))
    except NotFound:
        return ()


def _span(file: str) -> tuple[datetime, datetime]:
    """The first and the last moment at which a file's predictions were given; all time where it does not say."""
    return span(file, "at") or (datetime(1, 1, 1, tzinfo=UTC), FAR)


def _nth(files: Sequence[str], rows: int, until: datetime | None) -> datetime | None:
    """Since when the newest so many answers of these files were given; None where they hold fewer."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    schema = pa.schema([("at", pa.timestamp("us", tz="UTC")), ("beside", pa.string())])  # old files know no beside
    given = ds.dataset(list(files), schema=schema, format="parquet").to_table(filter=ds.field("beside").is_null())
    times = given.column("at")
    if until is not None:
        times = times.filter(pc.less_equal(times, pa.scalar(until, times.type)))
    if len(times) < rows:
        return None
    moment: datetime = times.take(pc.select_k_unstable(times, rows, [("at", "descending")])[-1:])[0].as_py()
    return moment


def _queried(sql: str) -> list[Logged]:
    with closing(connect(timezone="UTC", threads=1)) as con:
        return [logged_of_row(row) for row in con.sql(sql).to_arrow_table().to_pylist()]
