"""Traffic: which versions answer a model's requests, and the picking up of promotions while requests run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from rondo.deploy.answering import Answer, Answerer, Row
from rondo.deploy.lookups import live_values
from rondo.deploy.resolving import load
from rondo.deploy.rollout import roles
from rondo.errors import NotFound, Refused, RondoError, RowError
from rondo.features.request import Asked
from rondo.project.reading import Project
from rondo.records.deployment import Deployment, Role
from rondo.store.ledger import Entry
from rondo.store.opening import Store

_canonical = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class AtWork:
    """A model's versions in their roles. A request ends with the one it began with, whatever is promoted meanwhile."""

    model: str
    roles: Mapping[Role, Entry[Deployment]]
    answerers: Mapping[Role, Answerer]

    @property
    def production(self) -> Answerer:
        """The version that answers."""
        return self.answerers["production"]

    def answer(self, rows: Sequence[Row], *, now: datetime) -> list[Answer]:
        """One answer a row, in order: from production, or from the canary for its share of the keys.

        Raises RowError as production reads the rows; a row that the canary alone refuses is answered by production.
        """
        asked = self.production.read(rows, now)
        canary = self.answerers.get("canary")
        if canary is None:
            return self.production.score(asked, now=now, role="production")
        share = self.roles["canary"].record.share
        chosen = [number for number, each in enumerate(asked) if place_of(self._identity(each), self.model) < share]
        answered: dict[int, Answer] = {}
        try:
            fresh = canary.answer([rows[number] for number in chosen], now=now, role="canary")
            answered = dict(zip(chosen, fresh, strict=True))
        except RowError:
            pass
        rest = [number for number in range(len(rows)) if number not in answered]
        given = self.production.score([asked[number] for number in rest], now=now, role="production")
        answered |= dict(zip(rest, given, strict=True))
        return [answered[number] for number in range(len(rows))]

    def shadowed(self, rows: Sequence[Row], *, now: datetime) -> list[Answer]:
        """What the shadow would have answered; nothing where there is none or it refuses the rows."""
        shadow = self.answerers.get("shadow")
        try:
            return shadow.answer(rows, now=now, role="shadow") if shadow else []
        except RowError:
            return []

    def _identity(self, asked: Asked) -> Mapping[str, object]:
        key = {column.name: asked.values.get(column.name) for column in self.production.signature.key}
        return key if any(value is not None for value in key.values()) else asked.values


def place_of(identity: Mapping[str, object], model: str) -> float:
    """Where a key stands between 0 and 1: always the same for the same key, independent from model to model."""
    told = _canonical([model, {name: str(value) for name, value in identity.items()}])
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest()) / 2**64


class Traffic:
    """The versions at work of every model of a project."""

    def __init__(self, project: Project, store: Store) -> None:
        self.project, self._store = project, store
        self._values = live_values(store, project.settings.timezone)
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

    def answerer(self, name: str, version: int) -> Answerer:
        """Any version of a model, at work or not. Raises NotFound."""
        at_work = self._at_work.get(name)
        for answerer in at_work.answerers.values() if at_work else ():
            if answerer.version == version:
                return answerer
        return Answerer(load(self._store, self.project, name, version), self._values, version)

    def _deployed(self) -> list[str]:
        return sorted({entry.record.name for entry in self._store.ledger.entries(Deployment)})

    def _brought(self, name: str) -> AtWork | None:
        held = roles(self._store.ledger, name)
        if "production" not in held:
            return None
        return AtWork(name, held, {role: self.answerer(name, entry.record.version) for role, entry in held.items()})
