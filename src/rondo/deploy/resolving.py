"""Which version a name means, and its packed model brought from the artifacts."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from rondo.deploy.rollout import ROLES, roles
from rondo.errors import NotFound, StoreError, WrongUse
from rondo.features.signature import Signature
from rondo.models.packed import Packed, unpack
from rondo.project.models import OwnTrainer
from rondo.project.moments import parse_moment
from rondo.project.reading import Project
from rondo.records.development import Version
from rondo.records.versions import model_version
from rondo.store.ledger import Entry, LedgerReader
from rondo.store.opening import Store

if TYPE_CHECKING:
    from rondo.records.deployment import Role

KEPT = 8
_NUMBER = re.compile(r"[1-9]\d*", re.ASCII)
_lock = threading.Lock()
_loaded: OrderedDict[frozenset[tuple[str, str]], Packed] = OrderedDict()


def resolve(ledger: LedgerReader, text: str, *, timezone: str, until: datetime | None = None) -> tuple[str, int]:
    """The model and version number that `text` means, as of `until` on the ledger's clock.

    `late@7`; `late@production`, `late@canary`, `late@shadow`; `late@2013-03-01`, what was in production then;
    `late`, what is in production, or else the newest version. Raises NotFound naming what there is.
    """
    name, at, which = text.partition("@")
    versions = [entry.record.version for entry in ledger.entries(Version, name=name, until=until)]
    if not versions:
        there = sorted({entry.record.name for entry in ledger.entries(Version, until=until)})
        raise NotFound.among("model with a version called", name, there)
    if not at:
        production = roles(ledger, name, until).get("production")
        if production is not None:
            return name, production.record.version
        declared = newest_declared(ledger, name, until)
        return name, declared.record.version if declared else max(versions)
    if _NUMBER.fullmatch(which):
        if int(which) not in versions:
            raise NotFound.among("version", text, [model_version(name, number) for number in versions])
        return name, int(which)
    role: Role | None = next((role for role in ROLES if role == which), None)
    if role is not None:
        at_work = roles(ledger, name, until)
        if role not in at_work:
            held = [f"{model_version(name, entry.record.version)} ({held})" for held, entry in at_work.items()]
            raise NotFound.among("version at work called", text, held)
        return name, at_work[role].record.version
    return name, _in_production_at(ledger, name, which, timezone, until)


def moment_named(text: str, timezone: str) -> datetime | None:
    """The moment that `late@2013-03-01` names; None where it names a number, a role or nothing."""
    which = text.partition("@")[2]
    if not which or _NUMBER.fullmatch(which) or which in ROLES:
        return None
    return parse_moment(which, timezone)


def _in_production_at(ledger: LedgerReader, name: str, when: str, timezone: str, until: datetime | None) -> int:
    try:
        moment = parse_moment(when, timezone)
    except WrongUse as error:
        raise WrongUse(
            f"{name}@{when} is not a version: {when!r} is no number, role or moment.",
            next_step=f"Write {name}@7, {name}@production, {name}@canary, {name}@shadow or {name}@2013-03-01.",
        ) from error
    moment = moment if until is None else min(moment, until)
    found = roles(ledger, name, moment).get("production")
    if found is None:
        raise NotFound(
            f"Nothing of {name} was in production at {when}.",
            next_step='Ask for a later moment; `rondo sql "from ledger.deployments"` lists what was when.',
        )
    return found.record.version


def newest_declared(ledger: LedgerReader, name: str, until: datetime | None = None) -> Entry[Version] | None:
    """The newest version trained as the model is declared: not on other examples, nor on from another version."""
    return ledger.latest(Version, name=name, until=until, where={"examples": None, "parent": None})


def version_record(ledger: LedgerReader, name: str, version: int) -> Version:
    """The record of a version. Raises NotFound naming those there are."""
    entry = ledger.latest(Version, name=name, version=version)
    if entry is None:
        there = [model_version(name, e.record.version) for e in ledger.entries(Version, name=name)]
        raise NotFound.among("version", model_version(name, version), there)
    return entry.record


def signature_of(store: Store, name: str, version: int) -> Signature:
    """The signature of a version, without loading its predictor. Raises NotFound, StoreError."""
    files = version_record(store.ledger, name, version).files
    try:
        return msgspec.json.decode(store.artifacts.get(files["signature.json"]), type=Signature)
    except (KeyError, msgspec.DecodeError) as error:
        raise StoreError(
            f"The signature of {model_version(name, version)} cannot be read: {error}.",
            next_step="Train the model again.",
        ) from error


def newest_signature(store: Store, name: str) -> Signature | None:
    """The signature of a model's newest version; None while it has none."""
    entry = store.ledger.latest(Version, name=name)
    return None if entry is None else signature_of(store, name, entry.record.version)


def load(store: Store, project: Project, name: str, version: int) -> Packed:
    """The packed model of a version, every file checked against its SHA-256. The last few loaded are kept.

    Raises NotFound, and StoreError for a file that is not what was written or predicts otherwise than when packed.
    """
    record = version_record(store.ledger, name, version)
    files = frozenset(record.files.items())
    with _lock:
        if files in _loaded:
            _loaded.move_to_end(files)
            return _loaded[files]
    trainer = project.models[name].train if name in project.models else None
    own = trainer if isinstance(trainer, OwnTrainer) else None
    packed = unpack({file: store.artifacts.get(digest) for file, digest in record.files.items()}, own=own)
    if own is None:  # the project's own code may change under the same files
        with _lock:
            _loaded[files] = packed
            while len(_loaded) > KEPT:
                _loaded.popitem(last=False)
    return packed
