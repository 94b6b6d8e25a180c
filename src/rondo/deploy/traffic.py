"""Traffic: which versions answer a model's requests, and the picking up of promotions while requests run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import msgspec

from rondo.deploy.answering import Answer, Answerer, Ids, Row, Spent
from rondo.deploy.lookups import live_values
from rondo.deploy.resolving import load
from rondo.deploy.rollout import roles
from rondo.errors import NotFound, Refused, RondoError, RowError
from rondo.features.request import Asked
from rondo.features.values import Values
from rondo.project.reading import Project
from rondo.records.deployment import Deployment, Role
from rondo.records.versions import model_version
from rondo.store.ledger import Entry
from rondo.store.opening import Store

_canonical = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder().decode


class Asking:
    """The rows of one request as production reads them, and as they came for versions that read otherwise."""

    def __init__(self, asked: Sequence[Asked], rows: Callable[[], Sequence[Row]]) -> None:
        self.asked, self._rows = asked, rows

    def read_by(self, answerer: Answerer, production: Answerer, chosen: Sequence[int], now: datetime) -> list[Asked]:
        """Some rows as another version reads them. Raises RowError."""
        if answerer.signature == production.signature:
            return [self.asked[number] for number in chosen]
        rows = self._rows()
        return answerer.read([rows[number] for number in chosen], now)


@dataclass(frozen=True)
class AtWork:
    """A model's versions in their roles. A request ends with the one it began with, whatever is promoted meanwhile."""

    model: str
    roles: Mapping[Role, Entry[Deployment]]
    answerers: Mapping[Role, Answerer]
    answers_as: Role | None = "production"

    @property
    def production(self) -> Answerer:
        """The version that answers."""
        return self.answerers["production"]

    @cached_property
    def alone(self) -> bool:
        """Whether production is all there is."""
        return len(self.answerers) == 1

    def of_version(self, version: int) -> AtWork:
        """That version alone to answer, whatever its share. Raises NotFound for one that is not at work.

        One that is not in production answers without a role: it was asked for by name, outside the traffic that its
        role is judged by.
        """
        role = next((held for held, answerer in self.answerers.items() if answerer.version == version), None)
        if role is None:
            there = [f"{answerer.name} ({held})" for held, answerer in self.answerers.items()]
            raise NotFound.among("version at work", model_version(self.model, version), there)
        if role != "production":
            return AtWork(self.model, {"production": self.roles[role]}, {"production": self.answerers[role]}, None)
        if "canary" not in self.answerers:
            return self
        roles: dict[Role, Entry[Deployment]] = {held: e for held, e in self.roles.items() if held != "canary"}
        return AtWork(self.model, roles, {held: self.answerers[held] for held in roles})

    def reading(self, body: bytes, now: datetime) -> Asking | None:
        """The rows of `{"rows": […]}` in one pass; None where `asking` must tell what they are, or what is wrong."""
        asked = self.production.read_body(body, now)
        return None if asked is None else Asking(asked, lambda: _decode(body)["rows"])

    def asking(self, rows: Sequence[Row], now: datetime) -> Asking:
        """The rows as production reads them. Raises RowError."""
        return Asking(self.production.read(rows, now), lambda: rows)

    def answer(self, asking: Asking, *, now: datetime, wait: bool = True, spent: Spent | None = None) -> list[Answer]:
        """One answer a row, in order: from production, or from the canary for its share of the keys.

        A row that the canary alone refuses is answered by production. Without `wait` raises Behind.
        """
        asked = asking.asked
        if "canary" not in self.answerers:
            return self.production.score(asked, now=now, role=self.answers_as, wait=wait, spent=spent)
        chosen = self._for_canary(asked)
        answered: dict[int, Answer] = {}
        try:
            canary = self.answerers["canary"]
            read = asking.read_by(canary, self.production, chosen, now)
            fresh = canary.score(read, now=now, role="canary", wait=wait, spent=spent)
            answered = dict(zip(chosen, fresh, strict=True))
        except RowError:
            pass
        rest = [number for number in range(len(asked)) if number not in answered]
        given = self.production.score(
            [asked[number] for number in rest], now=now, role="production", wait=wait, spent=spent
        )
        answered |= dict(zip(rest, given, strict=True))
        return [answered[number] for number in range(len(asked))]

    def beside(self, asking: Asking, answers: Sequence[Answer], *, now: datetime) -> list[Answer]:
        """What else is scored for the same rows, so that versions compare in pairs.

        What production would have answered where the canary did, and what the shadow would have answered; nothing of
        the shadow where it refuses the rows. Each names the answer that it stands beside.
        """
        found: list[Answer] = []
        canaried = [number for number, answer in enumerate(answers) if answer.role == "canary"]
        if canaried:
            asked = [asking.asked[number] for number in canaried]
            ids = [answers[number].id for number in canaried]
            found += self.production.score(asked, now=now, role="production", beside=ids)
        if shadow := self.answerers.get("shadow"):
            try:
                asked = asking.read_by(shadow, self.production, range(len(answers)), now)
                found += shadow.score(asked, now=now, role="shadow", beside=[answer.id for answer in answers])
            except RowError:
                pass
        return found

    def _for_canary(self, asked: Sequence[Asked]) -> list[int]:
        share = self.roles["canary"].record.share
        return [number for number, each in enumerate(asked) if place_of(self._identity(each), self.model) < share]

    def _identity(self, asked: Asked) -> Mapping[str, object]:
        key = {column.name: asked.values.get(column.name) for column in self.production.signature.key}
        return key if any(value is not None for value in key.values()) else asked.values


def place_of(identity: Mapping[str, object], model: str) -> float:
    """Where a key stands between 0 and 1: always the same for the same key, independent from model to model."""
    told = _canonical([model, {name: str(value) for name, value in identity.items()}])
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest()) / 2**64


class Traffic:
    """The versions at work of every model of a project.

    They look features up in `values` (those of the store as they are live), and give ids of the kind `ids`.
    """

    def __init__(self, project: Project, store: Store, *, values: Values | None = None, ids: Ids = "random") -> None:
        self.project, self._store, self._ids = project, store, ids
        self._values = values or live_values(store, project.settings.timezone)
        self._at_work: Mapping[str, AtWork] = {}
        self._seen = -1
        self.troubles: Mapping[str, str] = {}

    @property
    def at_work(self) -> Mapping[str, AtWork]:
        """Every model with a version in production."""
        return self._at_work

    def refresh(self) -> list[str]:
        """Brings in what the ledger says is at work; gives a line for each change and each new trouble.

        A version that cannot be loaded leaves the ones before it at work, and is tried again at the next refresh.
        """
        newest = self._store.ledger.latest(Deployment)
        seq = newest.seq if newest else 0
        if seq == self._seen:
            return []
        told: list[str] = []
        found, troubles = dict(self._at_work), {}
        for name in self._deployed():
            try:
                at_work = self._brought(name)
            except RondoError as error:
                troubles[name] = error.message
                if self.troubles.get(name) != error.message:
                    told.append(f"{name}: {error.message}")
                continue
            if at_work is None:
                found.pop(name, None)
            elif name not in found or dict(at_work.roles) != dict(found[name].roles):
                found[name] = at_work
                told.append(", ".join(f"{a.name} is {role}" for role, a in at_work.answerers.items()))
        self._at_work, self.troubles = found, troubles
        self._seen = -1 if troubles else seq
        return told

    def of(self, name: str) -> AtWork:
        """A model's versions at work. Raises NotFound for no such model; Refused while none is in production."""
        found = self._at_work.get(name)
        if found is None:
            if name not in self.project.models:
                raise NotFound.among("model", name, sorted({*self.project.models, *self._at_work}))
            raise Refused(
                self.troubles.get(name) or f"No version of {name} is in production.",
                next_step=f"Run `rondo promote {name}@N --to production`.",
            )
        return found

    def known(self, name: str | None) -> str | None:
        """The name, if a model bears it."""
        return name if name in self.project.models or name in self._at_work else None

    def answerer(self, name: str, version: int) -> Answerer:
        """Any version of a model, at work or not. Raises NotFound."""
        at_work = self._at_work.get(name)
        for answerer in at_work.answerers.values() if at_work else ():
            if answerer.version == version:
                return answerer
        return Answerer(load(self._store, self.project, name, version), self._values, version, ids=self._ids)

    def _deployed(self) -> list[str]:
        return sorted({entry.record.name for entry in self._store.ledger.entries(Deployment)})

    def _brought(self, name: str) -> AtWork | None:
        held = roles(self._store.ledger, name)
        if "production" not in held:
            return None
        return AtWork(name, held, {role: self.answerer(name, entry.record.version) for role, entry in held.items()})
