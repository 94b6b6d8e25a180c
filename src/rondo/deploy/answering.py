"""One version at work: `answer(rows, now)`, the one function behind HTTP, replay, batches and the rehearsal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from time import perf_counter
from typing import Literal

import msgspec

from rondo.errors import RowError
from rondo.features.body import BodyReader
from rondo.features.request import Asked, RequestReader, taking
from rondo.features.signature import class_name
from rondo.features.values import Item, Values, together
from rondo.models.encoding import encode_values
from rondo.models.packed import Packed
from rondo.records.deployment import Role
from rondo.records.development import Contribution, Explanation
from rondo.records.tables import Scalar
from rondo.records.versions import model_version

Value = object
Row = Mapping[str, object]
Ids = Literal["random", "derived"]
_Outputs = tuple[float | None, float | None, Mapping[str, float] | None, Scalar]
_VARIANT = "89ab"
DRAWN = 256
_canonical = msgspec.json.Encoder(order="deterministic").encode


class Answer(msgspec.Struct, frozen=True):
    """One prediction.

    `key` holds the key and time columns as they came (None without any), `inputs` every field of the request as read,
    `features` what was looked up and derived, `fed` the values that reached the model, in its order. One of `score`
    (binary: of the positive class), `value` (regression) and `scores` (one a class) is set. Of the fed values
    `missing` are null; `stale` look-ups had a key but nothing known, or nothing young enough, to give. An answer that
    was not given, only scored, names the one it stands `beside`.
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
    beside: str | None = None

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


class Spent:
    """Seconds that a request spent on each part of its way."""

    __slots__ = ("look_up_s", "parse_s", "predict_s", "record_s")

    def __init__(self) -> None:
        self.parse_s = self.look_up_s = self.predict_s = self.record_s = 0.0


class Answerer:
    """A packed version with what it reads.

    `ids` are `random` (sortable by time, as UUID version 7 of RFC 9562), or `derived` from model, key, moment and
    version, so that a replay gives the same ids again.
    """

    def __init__(self, packed: Packed, values: Values, version: int, *, ids: Ids = "random") -> None:
        self.packed, self.values, self.version = packed, values, version
        self.signature = packed.signature
        self.name = model_version(self.signature.model, version)
        self._reader = RequestReader(self.signature, packed.derived)
        self._body = BodyReader(self._reader)
        self._together = together(values, self.signature.lookups)
        self._ids = ids
        requested = {column.name for column in self.signature.request}
        fed = [column.name for column in self.signature.fed]
        self._features = tuple(name for name in fed if name not in requested)
        self._feature_values = taking([place for place, name in enumerate(fed) if name not in requested])
        self._keys = tuple(column.name for column in self.signature.key)
        self._classes = tuple(class_name(each) for each in self.signature.classes)
        self._labels: dict[Scalar, Scalar] = {each: shown(each) for each in self.signature.classes}

    def answer(self, rows: Sequence[Row], *, now: datetime, role: Role | None = None) -> list[Answer]:
        """One answer a row, in order. Raises RowError naming every field at fault as `rows[0].origin`."""
        return self.score(self.read(rows, now), now=now, role=role)

    def read_body(self, body: bytes, now: datetime) -> list[Asked] | None:
        """The rows of `{"rows": […]}` in one pass; None where `read` must tell what they are, or what is wrong."""
        return self._body.read(body, now)

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

    def score(
        self,
        asked: Sequence[Asked],
        *,
        now: datetime,
        role: Role | None = None,
        wait: bool = True,
        beside: Sequence[str] = (),
        spent: Spent | None = None,
    ) -> list[Answer]:
        """Look up, derive, predict. `asked` comes from this version's `read`.

        `beside` are the ids of the answers that these stand beside, one a row. Without `wait` raises Behind where a
        look-up would have to wait for the lake.
        """
        if not asked:
            return []
        spent = spent or Spent()
        began = perf_counter()
        if len(asked) == 1:
            found = [self._together.of_row(asked[0].keys, asked[0].moment, wait=wait)]
        else:
            found = self._together.of_rows([each.keys for each in asked], [each.moment for each in asked], wait=wait)
        looked_up = perf_counter()
        spent.look_up_s += looked_up - began
        if len(asked) == 1:
            each, mine = asked[0], found[0]
            fed = self._reader.fed(each, mine, at=0)
            score = self.packed.score_row(self.packed.encoder.row(fed))
            answers = [self._answer(each, mine, fed, score, role, now, beside[0] if beside else None)]
        else:
            answers = self._answers(asked, found, role, now, beside)
        spent.predict_s += perf_counter() - looked_up
        return answers

    def _answers(
        self,
        asked: Sequence[Asked],
        found: Sequence[Sequence[Item]],
        role: Role | None,
        now: datetime,
        beside: Sequence[str],
    ) -> list[Answer]:
        """The answers to several rows, scored as one matrix."""
        fed = self._fed(asked, found)
        scores: list[float | list[float]] = self.packed.score(encode_values(self.packed.encoder, fed)).tolist()
        return [
            self._answer(asked[n], found[n], fed[n], scores[n], role, now, beside[n] if beside else None)
            for n in range(len(asked))
        ]

    def _answer(
        self,
        asked: Asked,
        found: Sequence[Item],
        fed: tuple[Value, ...],
        score: float | list[float],
        role: Role | None,
        now: datetime,
        beside: str | None,
    ) -> Answer:
        stale = 0
        if None in found:
            stale = sum([got is None and key is not None for got, key in zip(found, asked.keys, strict=True)])
        of_positive, value, of_classes, label = self._outputs(score)
        return Answer(
            self._id(asked, now),
            self.version,
            role,
            asked.moment or now,
            now,
            asked.echo,
            asked.values,
            dict(zip(self._features, self._feature_values(fed), strict=True)),
            fed,
            of_positive,
            value,
            of_classes,
            label,
            fed.count(None),
            stale,
            beside,
        )

    def explain(self, answers: Sequence[Answer]) -> list[Explanation]:
        """What moved each answer, from the features as they were when it was given."""
        return explain_answers(self.packed, answers)

    def _outputs(self, score: float | list[float]) -> _Outputs:
        """Score, value, scores and label."""
        if isinstance(score, list):
            return None, None, dict(zip(self._classes, score, strict=True)), self._labels[self.packed.label_of(score)]
        if self.signature.task == "regression":
            return None, score, None, None
        return score, None, None, self._labels[self.packed.label_of(score)]

    def _fed(self, asked: Sequence[Asked], found: Sequence[Sequence[Item]]) -> list[tuple[Value, ...]]:
        """The values fed to the model, a row each."""
        fed, errors = [], []
        for number, (each, mine) in enumerate(zip(asked, found, strict=True)):
            try:
                fed.append(self._reader.fed(each, mine, at=number))
            except RowError as error:
                errors += error.errors
        if errors:
            raise RowError(errors)
        return fed

    def _id(self, asked: Asked, now: datetime) -> str:
        if self._ids == "random":
            return random_id(now)
        key = {name: asked.values[name] for name in self._keys if name in asked.values}
        return derived_id(self.signature.model, self.version, asked.moment or now, key or asked.values)


def explain_answers(packed: Packed, answers: Sequence[Answer]) -> list[Explanation]:
    """What moved each answer of a version, from the values that it was fed; nothing is looked up."""
    signature = packed.signature
    matrix = encode_values(packed.encoder, [answer.fed for answer in answers])
    return [
        Explanation(
            name=signature.model,
            version=answer.version,
            base=float(why.base),
            prediction=float(why.prediction),
            contributions=[
                Contribution(feature=column.name, value=shown(value), contribution=float(part))
                for column, value, part in zip(signature.fed, answer.fed, why.contributions, strict=True)
            ],
            residual=float(why.residual),
        )
        for answer, why in zip(answers, packed.explain(matrix), strict=True)
    ]


def random_id(now: datetime) -> str:
    """A unique id that sorts by time: UUID version 7 (RFC 9562), milliseconds then 74 random bits."""
    return _uuid7(int(now.timestamp() * 1000) & (1 << 48) - 1, _random_bytes())


_drawn: list[bytes] = []
os.register_at_fork(after_in_child=_drawn.clear)  # a child must not draw what its parent draws


def _random_bytes() -> bytes:
    """Ten of them, out of as many as one call to the system gives at little more cost than ten."""
    try:
        return _drawn.pop()
    except IndexError:
        noise = os.urandom(10 * DRAWN)
        _drawn.extend(noise[place : place + 10] for place in range(10, len(noise), 10))
        return noise[:10]


def derived_id(model: str, version: int, moment: datetime, key: Row) -> str:
    """The same id for the same model, version, moment and key; it sorts by moment."""
    told = _canonical([model, version, moment, {name: _plain(value) for name, value in key.items()}])
    stamp = int(moment.timestamp() * 1000) & (1 << 48) - 1
    return _uuid7(stamp, hashlib.blake2b(told, digest_size=10).digest())


def _uuid7(stamp: int, noise: bytes) -> str:
    told, rest = f"{stamp:012x}", noise.hex()
    return f"{told[:8]}-{told[8:]}-7{rest[:3]}-{_VARIANT[noise[1] & 3]}{rest[5:8]}-{rest[8:]}"


def _plain(value: Value) -> Value:
    return value if isinstance(value, str | int | bool | datetime | None) else str(value)


def shown(value: Value) -> Scalar:
    """A value as JSON has it: numpy's scalars as Python's, moments as ISO-8601 text."""
    if isinstance(value, str | bool | int | float | None):
        return value
    item = getattr(value, "item", None)
    return item() if item is not None else str(value)
