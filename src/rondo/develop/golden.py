"""Golden test sets: rows with the scores expected of them, held against those that a version gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from rondo.errors import DeclarationError
from rondo.features.signature import Signature, class_name
from rondo.models.agreement import EQUAL, apart
from rondo.models.encoding import encode_table
from rondo.models.packed import Packed
from rondo.records.development import GoldenMiss, GoldenResult
from rondo.records.tables import GOLDEN_ROW, GOLDEN_SCORE
from rondo.stats.results import Floats

if TYPE_CHECKING:
    import pyarrow as pa


def golden_result(packed: Packed, rows: pa.Table, testset: str) -> GoldenResult | None:
    """How many of the rows score otherwise than expected, and which is the first; None where no row expects a score.

    Rows without an expected score do not count, rows without a label do. Raises DeclarationError for what is no score.
    """
    import pyarrow.compute as pc

    if GOLDEN_SCORE not in rows.column_names:
        return None
    told = rows.filter(pc.is_valid(rows.column(GOLDEN_SCORE))).sort_by(GOLDEN_ROW)
    if not told.num_rows:
        raise DeclarationError(
            f"The test set {testset} has a score for none of its {rows.num_rows:,} rows.",
            next_step="Write the score expected into a row, or leave the field out of all.",
        )
    numbers = told.column(GOLDEN_ROW).to_pylist()
    expected = _expected(packed.signature, told.column(GOLDEN_SCORE).to_pylist(), numbers, testset)
    found = packed.score(encode_table(packed.encoder, told))
    off = apart(found, expected)
    misses = np.flatnonzero(off > EQUAL)
    return GoldenResult(
        rows=told.num_rows,
        differ=len(misses),
        greatest_difference=float(off.max()),
        first=_miss(packed.signature, numbers[misses[0]], expected[misses[0]], found[misses[0]])
        if len(misses)
        else None,
    )


def _miss(signature: Signature, row: int, expected: Floats, found: Floats) -> GoldenMiss:
    if signature.task != "multiclass":
        return GoldenMiss(row=row, expected=float(expected), found=float(found))
    place = int(np.abs(found - expected).argmax())
    of = class_name(signature.classes[place])
    return GoldenMiss(row=row, expected=float(expected[place]), found=float(found[place]), of=of)


def _expected(signature: Signature, texts: Sequence[str], rows: Sequence[int], testset: str) -> Floats:
    """The scores as they are written: a number, or of several classes an object of each one's probability."""
    several = signature.task == "multiclass"
    names = [class_name(each) for each in signature.classes]
    read = msgspec.json.Decoder(dict[str, float] if several else float).decode
    found = []
    for text, row in zip(texts, rows, strict=True):
        try:
            told = read(text)
            if isinstance(told, dict) and set(told) != set(names):
                raise msgspec.ValidationError(f"the classes are {', '.join(names)}")
        except msgspec.MsgspecError as error:
            wanted = f"an object of the classes {', '.join(names)}" if several else "a number"
            raise DeclarationError(
                f"Row {row} of the test set {testset} expects the score {text}, which is not {wanted}.",
                next_step="Write it as `rondo predict` answers it.",
            ) from error
        found.append([told[name] for name in names] if isinstance(told, dict) else told)
    return np.array(found, dtype=np.float64)
