"""Search by name and by words: everything of a project that has a page, each with its address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from rondo.deploy.predictions import find
from rondo.handbook.questions.register import QUESTIONS
from rondo.language.catalogues import CODES
from rondo.language.words import Language
from rondo.loop.planning import newest
from rondo.loop.workplace import Workplace
from rondo.monitor.alerting import newest_alerts
from rondo.monitor.incidents import newest_incidents
from rondo.project.reports import report_names
from rondo.records.development import Version
from rondo.records.versions import model_version

SHOWN = 8
"""So many of a group are shown; its count says how many there are."""
LONGEST = 200
VERSIONS = 50
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEADING = re.compile(r"^#\s+(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Hit:
    """Something that was found: its name, a line about it, its address; `also` are words that it is found by."""

    name: str
    about: str
    address: str
    also: str = ""


@dataclass(frozen=True)
class Group:
    """What was found of one sort: the first ones, and how many there are. `kind` is a word of the design."""

    kind: str
    hits: tuple[Hit, ...]
    found: int


@dataclass(frozen=True)
class SearchFacts:
    """What bears the words asked for. `straight` is the address of the one thing that was named whole."""

    query: str
    groups: tuple[Group, ...] = ()
    straight: str | None = None


def search_facts(work: Workplace, query: str, words: Language) -> SearchFacts:
    """Everything that has all words of `query` in its name or in what is said of it; names first, whole ones before
    parts.
    """
    query = " ".join(normalize("NFC", query).split())[:LONGEST]
    if not query:
        return SearchFacts(query)
    straight = _straight(work, query)
    wanted = query.casefold().split()
    groups = (_group(kind, listed(work, words), wanted) for kind, listed in _SORTS.items())
    return SearchFacts(query, tuple(group for group in groups if group.found), straight)


def _straight(work: Workplace, query: str) -> str | None:
    """The address of a prediction by its id, of an alert or incident by theirs, or of a version."""
    ledger = work.store.ledger
    if _ID.fullmatch(query.lower()):
        ids = (find(work.store, model, query.lower()) for model in work.project.models)
        return f"/predictions/{query.lower()}" if any(ids) else None
    if any(alert.id == query for alert in newest_alerts(ledger)):
        return f"/alerts/{query}"
    if any(incident.id == query for incident in newest_incidents(ledger)):
        return f"/incidents/{query}"
    model, at, number = query.partition("@")
    if at and number.isdecimal() and ledger.latest(Version, name=model, version=int(number)):
        return f"/models/{model}/{int(number)}"
    return None


def _group(kind: str, listed: Iterator[Hit], wanted: Sequence[str]) -> Group:
    ranked = []
    for place, hit in enumerate(listed):
        name, text = hit.name.casefold(), f"{hit.name} {hit.about} {hit.also}".casefold()
        if all(word in text for word in wanted):
            whole = " ".join(wanted)
            ranked.append((name != whole, not name.startswith(whole), whole not in name, place, hit))
    ranked.sort(key=lambda each: each[:4])
    return Group(kind, tuple(each[4] for each in ranked[:SHOWN]), len(ranked))


def _pages(work: Workplace, words: Language) -> Iterator[Hit]:
    """The console's own pages, by their names in every language."""
    for say, address in _PAGES:
        yield Hit(say(words), "", address, " ".join(say(Language(code, words.timezone)) for code in CODES))


def _tables(work: Workplace, words: Language) -> Iterator[Hit]:
    for name, table in work.project.tables.items():
        yield Hit(name, table.summary or "", f"/tables/{name}")
    for name, source in work.project.sources.items():
        yield Hit(name, source.summary or "", f"/tables/{name}")


def _columns(work: Workplace, words: Language) -> Iterator[Hit]:
    for name in work.project.names:
        version = newest(work.store.ledger, name)
        for column, kind in (version.columns if version else {}).items():
            yield Hit(f"{name}.{column}", kind, f"/tables/{name}#{column}")


def _models(work: Workplace, words: Language) -> Iterator[Hit]:
    for name, model in work.project.models.items():
        yield Hit(name, f"{model.task.kind} {model.task.label} {model.examples}", f"/models/{name}")


def _versions(work: Workplace, words: Language) -> Iterator[Hit]:
    for name in work.project.models:
        for entry in work.store.ledger.entries(Version, name=name, limit=VERSIONS, newest_first=True):
            version = entry.record
            said = f"{version.trainer} {words.day(entry.at)}"
            yield Hit(model_version(name, version.version), said, f"/models/{name}/{version.version}")


def _features(work: Workplace, words: Language) -> Iterator[Hit]:
    for name, model in work.project.models.items():
        for feature in model.features:
            for column in feature.columns or ("",):
                whole = f"{feature.prefix}.{column}" if column else feature.prefix
                yield Hit(whole, f"{name}: {feature.table}", f"/tables/{feature.table}#{column}")


def _alerts(work: Workplace, words: Language) -> Iterator[Hit]:
    for alert in reversed(newest_alerts(work.store.ledger)):
        yield Hit(alert.id, f"{alert.model} {alert.name}: {alert.summary}", f"/alerts/{alert.id}")


def _incidents(work: Workplace, words: Language) -> Iterator[Hit]:
    for incident in reversed(newest_incidents(work.store.ledger)):
        yield Hit(incident.id, f"{incident.name}: {incident.summary}", f"/incidents/{incident.id}")


def _documents(work: Workplace, words: Language) -> Iterator[Hit]:
    for path in sorted((work.project.root / "docs").glob("*.md")):
        text = path.read_text(encoding="utf-8", errors="replace")
        heading = _HEADING.search(text)
        yield Hit(path.stem, heading[1] if heading else "", f"/docs/{path.stem}")


def _reports(work: Workplace, words: Language) -> Iterator[Hit]:
    for name in report_names(work.project.root):
        yield Hit(name, "", f"/reports/{name}")


def _questions(work: Workplace, words: Language) -> Iterator[Hit]:
    """The handbook's questions, found by their words in every language."""
    languages = [Language(code, words.timezone) for code in CODES]
    for question in QUESTIONS:
        also = " ".join((question.keys, *(language.known(question.text) for language in languages)))
        yield Hit(words.known(question.text), "", f"/handbook#q{question.number}", also)


def _people(work: Workplace, words: Language) -> Iterator[Hit]:
    for person in work.project.settings.people:
        about = " ".join(part for part in (person.id, *person.roles, person.contact) if part)
        yield Hit(person.name or person.id, about.replace("_", " "), f"/team#{person.id}")


_PAGES: tuple[tuple[Callable[[Language], str], str], ...] = (
    (lambda words: words.plain("Loop"), "/"),
    (lambda words: words.plain("Tables"), "/tables"),
    (lambda words: words.plain("Models"), "/models"),
    (lambda words: words.plain("Compare"), "/compare"),
    (lambda words: words.plain("Live"), "/live"),
    (lambda words: words.plain("Incidents"), "/incidents"),
    (lambda words: words.plain("Reports"), "/reports"),
    (lambda words: words.plain("Handbook"), "/handbook"),
    (lambda words: words.plain("Team"), "/team"),
)
_SORTS: Mapping[str, Callable[[Workplace, Language], Iterator[Hit]]] = {
    "pages": _pages,
    "tables": _tables,
    "columns": _columns,
    "models": _models,
    "versions": _versions,
    "features": _features,
    "alerts": _alerts,
    "incidents": _incidents,
    "reports": _reports,
    "documents": _documents,
    "questions": _questions,
    "people": _people,
}
"""What can be searched, in the order of the page."""
