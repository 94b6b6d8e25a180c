"""`forget`: the rows of a key erased from a model's log, predictions, inbox and outcomes, and what still holds it.

It is announced in the ledger (as pseudonyms, never the key), done, and confirmed. Outcomes go before the predictions
that tell whose they are. Each part done twice is done once, so that the next `forget` completes one that was killed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from rondo.data.erasing import (
    count_datasets,
    count_outcomes,
    erase_datasets,
    erase_outcomes,
    outcomes_held,
    redact_profiles,
)
from rondo.data.forgotten import erasures_of, forgotten_keys, pseudonyms_of
from rondo.data.reference import erase_references
from rondo.deploy.erasing import erase_predictions, questions_of, redact_rehearsals
from rondo.develop.mistakes import redact_mistakes
from rondo.errors import NotFound, WrongUse
from rondo.features.signature import Column, Signature
from rondo.loop.planning import newest
from rondo.loop.sketching import forget_sketches
from rondo.loop.versions import signature_of
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.records.development import Version
from rondo.records.erasing import Erasure
from rondo.records.progress import Progress, silent
from rondo.sql.engine import connect, quote, run
from rondo.sql.relations import rows_of
from rondo.store.locks import held
from rondo.store.opening import LIVE
from rondo.store.pseudonyms import Forgotten, Pseudonyms, open_pseudonyms

Key = Mapping[str, object]


@dataclass(frozen=True)
class Remains:
    """Where rows of the keys still are; `rows` is None of another state, which was not looked into."""

    what: str
    name: str
    rows: int | None


@dataclass(frozen=True)
class Forgot:
    """What one `forget` did, or would do: `erasure` is None where nothing was recorded."""

    model: str
    columns: tuple[str, ...]
    keys: int
    rows: Mapping[str, int]
    remains: Sequence[Remains]
    erasure: Erasure | None
    completed: int = 0

    def document(self) -> dict[str, Any]:
        """The `forget` document."""
        return {
            "model": self.model,
            "state": "done" if self.erasure else "dry_run",
            "keys": self.keys,
            "columns": list(self.columns),
            "erased": dict(self.rows),
            "completed": self.completed,
            "remains": [{"what": each.what, "name": each.name, "rows": each.rows} for each in self.remains],
        }


def forget(
    work: Workplace,
    name: str,
    texts: Sequence[str],
    *,
    datasets: bool = False,
    because: str | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Forgot:
    """Erase the rows of keys, each a JSON object of columns or the plain value of the only key column.

    With `datasets` from the model's frozen datasets as well. Erasures that were begun and not completed are completed
    on the way. Raises NotFound, WrongUse.
    """
    model = work.project.model(name)
    signature = _signature(work, model)
    keys = [_parsed(text, signature) for text in texts]
    columns = _columns(keys, signature)
    types = {column.name: column.type for column in _fields(signature)}
    pseudonyms = open_pseudonyms(work.store.folder, create=not dry_run) or Pseudonyms(b"a dry run keeps nothing")
    blank = Forgotten({n: types[n] for n in columns}, frozenset(), pseudonyms, work.project.settings.timezone)
    digests = {blank.pseudonym([key[column] for column in columns]) for key in keys}
    wanted = Forgotten(blank.columns, frozenset(d for d in digests if d), pseudonyms, blank.timezone)
    remains = _remains(work, model, wanted, datasets)
    if dry_run:
        rows = _count(work, model, signature, wanted, datasets)
        return Forgot(name, columns, len(wanted.digests), rows, remains, None)
    with held(work.store.folder / "locks" / f"forget-{name}.lock"):
        completed = _complete(work, model, signature, types, progress)
        progress(None, f"looking for the rows of {len(wanted.digests)} keys")
        begun = Erasure(
            name=name, erasure=uuid4().hex, state="begun", columns=list(columns), digests=sorted(wanted.digests),
            under=pseudonyms.under, until=work.now(), rows=_count(work, model, signature, wanted, datasets),
            datasets=datasets, because=because,
        )  # fmt: skip
        work.store.ledger.append(begun, by=work.by)
        done = _erase(work, model, signature, begun, wanted, progress)
    return Forgot(name, columns, len(wanted.digests), done.rows, remains, done, completed)


def _signature(work: Workplace, model: Model) -> Signature:
    entry = work.store.ledger.latest(Version, name=model.name)
    if entry is None:
        raise NotFound(f"{model.name} has no version yet, and so nothing to forget.", next_step="Run `rondo run`.")
    return signature_of(work, model.name, entry.record.version)


def _fields(signature: Signature) -> list[Column]:
    """What a key may name: the key of the examples, the keys of look-ups, and the inputs."""
    timed = [column for column in signature.inputs if column.name == signature.time]
    return [*signature.request, *timed]


def _parsed(text: str, signature: Signature) -> dict[str, object]:
    """A key as written: `{"customer": 17}`, or `17` where the key is one column."""
    try:
        given = json.loads(text)
    except ValueError:
        given = text
    if isinstance(given, dict) and given:
        return given
    names = [column.name for column in signature.key]
    if isinstance(given, dict | list) or given is None or len(names) != 1:
        raise WrongUse(
            f"{text!r} is no key of {signature.model}.",
            next_step=f"Write the columns as JSON: '{json.dumps(dict.fromkeys(names or ['COLUMN'], '…'))}'.",
        )
    return {names[0]: given}


def _columns(keys: Sequence[Key], signature: Signature) -> tuple[str, ...]:
    """The columns that all keys have. Raises NotFound for one that no request has."""
    there = [column.name for column in _fields(signature)]
    for key in keys:
        for name, value in key.items():
            if name not in there:
                raise NotFound.among(f"field of a request of {signature.model} called", name, there)
            if value is None or isinstance(value, dict | list):
                raise WrongUse(f"{name} is {value!r} in a key.", next_step="Give a value that says whose rows go.")
        if key.keys() != keys[0].keys():
            raise WrongUse(
                f"The keys have other columns: {', '.join(keys[0])} and {', '.join(key)}.",
                next_step="Run `rondo forget` once for each set of columns.",
            )
    return tuple(sorted(keys[0]))


def _complete(work: Workplace, model: Model, signature: Signature, types: Mapping[str, str], progress: Progress) -> int:
    """Completes what earlier ones began; gives how many."""
    timezone = work.project.settings.timezone
    begun = [entry.record for entry in erasures_of(work.store, model.name) if entry.record.state == "begun"]
    pseudonyms = pseudonyms_of(work.store, begun)
    for each in begun:
        assert pseudonyms is not None
        for keys, _ in forgotten_keys([each], types, pseudonyms, timezone):
            _erase(work, model, signature, each, keys, progress)
    return len(begun)


def _erase(
    work: Workplace, model: Model, signature: Signature, begun: Erasure, keys: Forgotten, progress: Progress
) -> Erasure:
    """Does all of it, and records that it is done."""
    progress(None, f"erasing outcomes of {model.name}")
    questions = questions_of(work.store, signature, keys)
    rows = {"predictions": len(questions)}
    rows |= erase_outcomes(work.store, outcomes_held(model, work.project, _types(work, model), keys, questions))
    progress(None, f"erasing predictions of {model.name}")
    erase_predictions(work.store, signature, keys, by=work.by, now=work.now())
    redact_profiles(work.store, keys)
    redact_rehearsals(work.store, model.name)
    redact_mistakes(work.store, model.name)
    _forget_sketches(work, model)
    if begun.datasets:
        progress(None, f"erasing from the datasets of {model.name}")
        rows["dataset"] = erase_datasets(work.store, model.name, keys)
        erase_references(work.store, model.name)
    greater = {part: max(count, begun.rows.get(part, 0)) for part, count in rows.items()}
    done = Erasure(
        name=begun.name, erasure=begun.erasure, state="done", columns=begun.columns, digests=begun.digests,
        under=begun.under, until=begun.until, rows=greater, datasets=begun.datasets, because=begun.because,
    )  # fmt: skip
    work.store.ledger.append(done, by=work.by)
    return done


def _forget_sketches(work: Workplace, model: Model) -> None:
    """What was summed up of answers that are there no more; the next look at the model makes it again of the rest."""
    entry = work.store.ledger.latest(Version, name=model.name)
    assert entry is not None
    with closing(connect(timezone=work.project.settings.timezone)) as con:
        forget_sketches(work, model, con, entry.record.version)


def _count(work: Workplace, model: Model, signature: Signature, keys: Forgotten, datasets: bool) -> dict[str, int]:
    """How many rows of each part would go."""
    questions = questions_of(work.store, signature, keys)
    held_now = outcomes_held(model, work.project, _types(work, model), keys, questions)
    rows = {"predictions": len(questions), **count_outcomes(work.store, held_now)}
    return rows | ({"dataset": count_datasets(work.store, model.name, keys)} if datasets else {})


def _types(work: Workplace, model: Model) -> Mapping[str, str]:
    table = newest(work.store.ledger, model.examples)
    return table.columns if table is not None else {}


def _remains(work: Workplace, model: Model, wanted: Forgotten, datasets: bool) -> list[Remains]:
    """Rows of the keys in the newest versions of sources and tables and in datasets; and the other states."""
    found = []
    names, ledger = list(wanted.columns), work.store.ledger
    con = connect(timezone=wanted.timezone)
    try:
        for name in sorted(work.project.names):
            table = newest(ledger, name)
            if table is None or not set(names) <= table.columns.keys():
                continue
            listed = ", ".join(map(quote, names))
            rows = run(con, f"select {listed}, count(*) from {rows_of(table, work.store.lake)} group by all")
            count = sum(int(str(each[-1])) for each in rows if wanted.holds(tuple(each[:-1])))
            if count:
                found.append(Remains(table.stage, name, count))
    finally:
        con.close()
    if not datasets and (count := count_datasets(work.store, model.name, wanted)):
        found.append(Remains("dataset", model.name, count))
    states = work.project.root / ".rondo" / "states"
    if work.store.state == LIVE and states.is_dir():
        found += [Remains("state", path.name, None) for path in sorted(states.iterdir()) if path.is_dir()]
    return found


def erased_from_datasets(work: Workplace, name: str, *, after: int) -> list[tuple[datetime, Erasure]]:
    """The erasures that reached a model's datasets after an entry of the ledger, with when each was recorded."""
    found = erasures_of(work.store, name, after=after)
    return [(entry.at, entry.record) for entry in found if entry.record.datasets]
