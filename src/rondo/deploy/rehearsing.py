"""The rehearsal: the serving path tried before the gate is read.

As-of rows through `answer` must score as they did offline, live keys must read online as the as-of join reads them
now, and the time a request takes is measured from its bytes to its logged answer.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from rondo.deploy.answering import Answer, Answerer
from rondo.deploy.asking import Request, requests, sample
from rondo.deploy.predictions import record
from rondo.errors import RowError
from rondo.features.request import Asked, RequestReader
from rondo.features.signature import class_name
from rondo.features.values import Key, Values
from rondo.models.encoding import encode_table
from rondo.models.packed import Packed
from rondo.records.deployment import Rehearsal
from rondo.records.development import Version
from rondo.records.progress import Progress, silent
from rondo.records.tables import Dataset
from rondo.records.versions import model_version
from rondo.stats.results import Floats
from rondo.store.log import PredictionLog
from rondo.store.opening import Store

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, KEYS, REQUESTS, WARM_UP = 1_000, 1_000, 500, 25
TOLERANCE = 1e-9
SHOWN = 10
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def rehearse(
    store: Store,
    version: Version,
    dataset: Dataset,
    *,
    packed: Packed,
    offline_values: Values,
    online_values: Values,
    now: datetime,
    seed: int,
    by: str,
    progress: Progress = silent,
) -> Rehearsal:
    """Rehearses a version on its dataset, and records what came of it.

    `offline_values` is the as-of join over the tables as of now, `online_values` what serving will read. A look-up
    whose table is not published has no live keys to compare, and is named among the differences.
    """
    signature = packed.signature
    progress(None, f"rehearsing {model_version(version.name, version.version)}")
    table = sample(store.lake, dataset, rows=ROWS, seed=seed, timezone=signature.timezone)
    rows = [_decode(_encode(row)) for row in requests(table, signature)]
    differences: list[str] = []
    offline = packed.score(encode_table(packed.encoder, table)) if rows else np.zeros(0)
    off = _off(Answerer(packed, offline_values, version.version), rows, offline, table, now, differences)
    keys, keys_differ = _live_keys(store, packed, rows, offline_values, online_values, now, differences)
    latencies = latencies_ms(store, Answerer(packed, online_values, version.version), rows, now)
    p50, p99 = np.quantile(latencies, (0.5, 0.99)).tolist() if latencies else (None, None)
    rehearsal = Rehearsal(
        name=version.name,
        version=version.version,
        offline_rows=len(rows),
        offline_differ=int((off > TOLERANCE).sum()),
        greatest_difference=float(off.max(initial=0.0)),
        online_keys=keys,
        online_differ=keys_differ,
        latency_p50_ms=p50,
        latency_p99_ms=p99,
        requests=len(latencies),
        differences=differences[:SHOWN],
    )
    store.ledger.append(rehearsal, by=by, at=now)
    return rehearsal


def _off(
    answerer: Answerer, rows: Sequence[Request], offline: Floats, table: pa.Table, now: datetime, told: list[str]
) -> Floats:
    """How far each row's answer is from its offline score (n,); 1 where it was refused."""
    off = np.zeros(len(rows))
    for number, answer in enumerate(_answers(answerer, rows, now, told)):
        if answer is None:
            off[number] = 1.0
            continue
        off[number] = np.abs(np.asarray(_outputs(answer, answerer)) - offline[number]).max()
        if off[number] > TOLERANCE:
            told.append(_difference(answer, answerer, table.slice(number, 1), off[number]))
    return off


def _answers(answerer: Answerer, rows: Sequence[Request], now: datetime, told: list[str]) -> list[Answer | None]:
    try:
        return [*answerer.answer(rows, now=now)]
    except RowError:
        pass
    answers: list[Answer | None] = []
    for row in rows:
        try:
            answers += answerer.answer([row], now=now)
        except RowError as error:
            told.append(f"refused: {error.message}")
            answers.append(None)
    return answers


def _outputs(answer: Answer, answerer: Answerer) -> float | list[float]:
    if answer.scores is not None:
        return [answer.scores[class_name(each)] for each in answerer.signature.classes]
    output = answer.value if answer.score is None else answer.score
    assert output is not None
    return output


def _difference(answer: Answer, answerer: Answerer, row: pa.Table, off: float) -> str:
    """Where one answer differs, by the columns that were fed otherwise."""
    fed = [
        f"{column.name} {before!r} offline, {after!r} served"
        for column, after in zip(answerer.signature.fed, answer.fed, strict=True)
        if not _same(before := row.column(column.name)[0].as_py(), after)
    ]
    asked = dict(answer.key or answer.inputs)
    return f"{asked}: off by {off:.3g}; {'; '.join(fed) or 'the same values were fed'}"


def _live_keys(
    store: Store,
    packed: Packed,
    rows: Sequence[Request],
    offline_values: Values,
    online_values: Values,
    now: datetime,
    told: list[str],
) -> tuple[int, int]:
    """Keys looked up online and by the as-of join as of now, and how many of them differ."""
    signature = packed.signature
    asked = _readable(RequestReader(packed.signature, packed.derived), rows, now)
    compared = differ = 0
    share = math.ceil(KEYS / max(1, len(signature.lookups)))
    for number, lookup in enumerate(signature.lookups):
        if store.online.meta(lookup.space) is None:
            told.append(f"{lookup.table} is not published under the definition that the model was trained with")
            continue
        distinct: Mapping[Key, None] = dict.fromkeys(key for each in asked if (key := each.keys[number]) is not None)
        keys = list(islice(distinct, share))
        moments = [now] * len(keys)
        offline = offline_values.look_up(lookup, keys, moments)
        online = online_values.look_up(lookup, keys, moments)
        for key, before, after in zip(keys, offline, online, strict=True):
            compared += 1
            if not _same_values(before, after, len(lookup.columns)):
                differ += 1
                told.append(f"{lookup.table} {key}: {before} by the as-of join, {after} online")
    return compared, differ


def _readable(reader: RequestReader, rows: Sequence[Request], now: datetime) -> list[Asked]:
    asked = []
    for row in rows:
        try:
            asked.append(reader.read(row, now))
        except RowError:
            continue  # counted where it was answered
    return asked


def _same_values(before: Sequence[object] | None, after: Sequence[object] | None, width: int) -> bool:
    nothing = (None,) * width
    return all(_same(*pair) for pair in zip(before or nothing, after or nothing, strict=True))


def _same(before: object, after: object) -> bool:
    if isinstance(before, bool) or isinstance(after, bool) or before is None or after is None:
        return (_missing(before) and _missing(after)) or before == after
    try:
        a, b = float(before), float(after)  # type: ignore[arg-type]  # numbers of any type; text raises
    except (TypeError, ValueError):
        return str(before) == str(after)
    return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= TOLERANCE * max(1.0, abs(a))


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def latencies_ms(store: Store, answerer: Answerer, rows: Sequence[Request], now: datetime) -> list[float]:
    """What each single-row request as of now takes: parse, look up, predict, log, write the answer."""
    time = answerer.signature.time
    bodies = [_encode({"rows": [{name: row[name] for name in row if name != time}]}) for row in rows[:REQUESTS]]
    if not bodies:
        return []
    found: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        log = PredictionLog(Path(folder), durability=store.durability)
        try:
            for body in islice(cycle(bodies), REQUESTS + WARM_UP):
                began = perf_counter()
                try:
                    answers = answerer.answer(_decode(body)["rows"], now=now)
                except RowError:
                    continue  # counted where it was answered
                record(log, answerer.signature.model, answers, caller=None, latency_ms=None)
                _encode({"version": answerer.name, "predictions": [answer.document() for answer in answers]})
                found.append((perf_counter() - began) * 1_000)
        finally:
            log.close()
    return found[WARM_UP:] or found
