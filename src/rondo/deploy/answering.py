"""One version at work: `answer(rows, now)`, the one function behind HTTP, replay, batches and the rehearsal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from rondo.errors import RowError
from rondo.features.request import Asked, RequestReader
from rondo.features.values import Values
from rondo.models.encoding import encode_values
from rondo.models.packed import Packed
from rondo.records.deployment import Role
from rondo.records.development import Contribution, Explanation
from rondo.records.tables import Scalar
from rondo.records.versions import model_version
from rondo.stats.results import Floats

Value = object
Row = Mapping[str, object]
_Output = tuple[float | None, float | None, Mapping[str, float] | None, Scalar]
_canonical = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Answer:
    """One prediction.

    `key` holds the key and time columns as they came (None without any), `inputs` every field of the request as read,
    `features` what was looked up and derived, `fed` the values that reached the model, in its order. One of `score`
    (binary: of the positive class), `value` (regression) and `scores` (one a class) is set. Of the fed values
    `missing` are null; `stale` look-ups had a key but nothing known, or nothing young enough, to give.
    """

    id: str
    version: int
    role: Role | None
    moment: datetime
    at: datetime
    key: Row | None
    inputs: Row
    features: Row
    fed: Sequence[Value]
    score: float | None
    value: float | None
    scores: Mapping[str, float] | None
    label: Scalar
    missing: int
    stale: int

    def document(self) -> dict[str, object]:
        """The prediction as the API shows it."""
        shown: dict[str, object] = {"id": self.id}
        if self.value is not None:
            shown["value"] = self.value
        elif self.score is not None:
            shown |= {"score": self.score, "label": self.label}
        else:
            shown |= {"scores": self.scores, "label": self.label}
        shown["key"] = self.key
        return shown


class Answerer:
    """A packed version with what it reads.

    `ids` are `random` (sortable by time, as UUID version 7 of RFC 9562), or `derived` from model, key, moment and
    version, so that a replay gives the same ids again.
    """

    def __init__(
        self, packed: Packed, values: Values, version: int, *, ids: Literal["random", "derived"] = "random"
    ) -> None:
        self.packed, self.values, self.version = packed, values, version
        self.signature = packed.signature
        self.name = model_version(self.signature.model, version)
        self._reader = RequestReader(self.signature)
        self._ids = ids
        requested = {column.name for column in self.signature.request}
        self._features = tuple(
            (place, column.name) for place, column in enumerate(self.signature.fed) if column.name not in requested
        )
        self._keys = tuple(column.name for column in self.signature.key)

    def answer(self, rows: Sequence[Row], *, now: datetime, role: Role | None = None) -> list[Answer]:
        """One answer a row, in order. Raises RowError naming every field at fault as `rows[0].origin`."""
        return self.score(self.read(rows, now), now=now, role=role)

    def read(self, rows: Sequence[Row], now: datetime) -> list[Asked]:
        """The rows as the signature reads them; asked at `now` where a row brings no moment. Raises RowError."""
        asked: list[Asked] = []
        errors: list[tuple[str | None, str]] = []
        for number, row in enumerate(rows):
            try:
                asked.append(self._reader.read(row, now, at=f"rows[{number}]"))
            except RowError as error:
                errors += error.errors
            except (OverflowError, RecursionError) as error:
                errors.append((f"rows[{number}]", f"holds a value out of all bounds ({error})"))
        if errors:
            raise RowError(errors)
        return asked

    def score(self, asked: Sequence[Asked], *, now: datetime, role: Role | None = None) -> list[Answer]:
        """Look up, derive, predict: one matrix for all rows. `asked` comes from this version's `read`."""
        if not asked:
            return []
        fed, stale = self._fed(asked)
        scores = self.packed.score(encode_values(self.packed.encoder, fed))
        ids = self._identify(asked, now)
        answers = []
        for each, values, gaps, identity, output in zip(asked, fed, stale, ids, self._outputs(scores), strict=True):
            score, value, of_classes, label = output
            answers.append(
                Answer(
                    id=identity,
                    version=self.version,
                    role=role,
                    moment=each.moment or now,
                    at=now,
                    key=each.echo,
                    inputs=each.values,
                    features={name: values[place] for place, name in self._features},
                    fed=values,
                    score=score,
                    value=value,
                    scores=of_classes,
                    label=label,
                    missing=sum(value is None for value in values),
                    stale=gaps,
                )
            )
        return answers

    def explain(self, answers: Sequence[Answer]) -> list[Explanation]:
        """What moved each answer, from the features as they were when it was given."""
        matrix = encode_values(self.packed.encoder, [answer.fed for answer in answers])
        names = [column.name for column in self.signature.fed]
        return [
            Explanation(
                name=self.signature.model,
                version=self.version,
                base=float(why.base),
                prediction=float(why.prediction),
                contributions=[
                    Contribution(feature=name, value=shown(value), contribution=float(part))
                    for name, value, part in zip(names, answer.fed, why.contributions, strict=True)
                ],
                residual=float(why.residual),
            )
            for answer, why in zip(answers, self.packed.explain(matrix), strict=True)
        ]

    def _fed(self, asked: Sequence[Asked]) -> tuple[list[list[Value]], list[int]]:
        """The values fed to the model and the number of look-ups that gave nothing, a row each."""
        moments = [each.moment for each in asked]
        found = [
            self.values.look_up(lookup, [each.keys[number] for each in asked], moments)
            for number, lookup in enumerate(self.signature.lookups)
        ]
        fed, stale, errors = [], [], []
        for number, each in enumerate(asked):
            mine = [of_lookup[number] for of_lookup in found]
            try:
                fed.append(self._reader.fed(each, mine, at=f"rows[{number}]"))
            except RowError as error:
                errors += error.errors
            stale.append(sum(got is None and key is not None for got, key in zip(mine, each.keys, strict=True)))
        if errors:
            raise RowError(errors)
        return fed, stale

    def _outputs(self, scores: Floats) -> list[_Output]:
        """Score, value, scores and label of each row."""
        if self.signature.task == "regression":
            return [(None, value, None, None) for value in scores.tolist()]
        labels = [shown(label) for label in self.packed.labels(scores)]
        if self.signature.task == "binary":
            return [(score, None, None, label) for score, label in zip(scores.tolist(), labels, strict=True)]
        names = [class_name(each) for each in self.signature.classes]
        return [
            (None, None, dict(zip(names, row, strict=True)), label)
            for row, label in zip(scores.tolist(), labels, strict=True)
        ]

    def _identify(self, asked: Sequence[Asked], now: datetime) -> list[str]:
        if self._ids == "random":
            return random_ids(len(asked), now)
        return [
            derived_id(
                self.signature.model,
                self.version,
                each.moment or now,
                {name: each.values[name] for name in self._keys if name in each.values} or each.values,
            )
            for each in asked
        ]


def random_ids(count: int, now: datetime) -> list[str]:
    """Unique ids that sort by time: UUID version 7 (RFC 9562), milliseconds then 74 random bits."""
    stamp = int(now.timestamp() * 1000) & (1 << 48) - 1
    noise = os.urandom(10 * count)
    return [_uuid7(stamp, noise[10 * n : 10 * n + 10]) for n in range(count)]


def derived_id(model: str, version: int, moment: datetime, key: Row) -> str:
    """The same id for the same model, version, moment and key; it sorts by moment."""
    told = _canonical([model, version, moment, {name: _plain(value) for name, value in key.items()}])
    stamp = int(moment.timestamp() * 1000) & (1 << 48) - 1
    return _uuid7(stamp, hashlib.blake2b(told, digest_size=10).digest())


def _uuid7(stamp: int, noise: bytes) -> str:
    rest = int.from_bytes(noise)
    high, low = rest >> 68, rest & (1 << 62) - 1
    return str(UUID(int=stamp << 80 | 0x7 << 76 | (high & 0xFFF) << 64 | 0b10 << 62 | low))


def _plain(value: Value) -> Value:
    return value if isinstance(value, str | int | bool | datetime | None) else str(value)


def class_name(value: Scalar) -> str:
    """A class as the name of its score: text as it is, true and false as JSON writes them, 1.0 as 1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else _canonical(value).decode()


def shown(value: Value) -> Scalar:
    """A value as JSON has it: numpy's scalars as Python's, moments as ISO-8601 text."""
    if isinstance(value, str | bool | int | float | None):
        return value
    item = getattr(value, "item", None)
    return item() if item is not None else str(value)
