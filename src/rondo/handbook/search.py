"""Search by name and by words: everything of a project that has a page, each with its address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from unicodedata import normalize
from urllib.parse import quote, urlencode

from rondo.deploy.predictions import find
from rondo.deploy.rollout import before_production, roles
from rondo.handbook.people import team_facts
from rondo.handbook.questions.register import QUESTIONS
from rondo.handbook.realised import live_comparisons, live_months
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
"""So many of a group are shown until all are asked for; its count says how many there are."""
LONGEST = 200
VERSIONS = 50
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEADING = re.compile(r"^#\s+(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Hit:
    """Something that was found: its name, a line about it, its address; `also` are words that it is found by, `owns`
    the things of a person, each with its address.
    """

    name: str
    about: str
    address: str
    also: str = ""
    owns: tuple[tuple[str, str], ...] = ()


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


def search_facts(work: Workplace, query: str, words: Language, *, whole: bool = False) -> SearchFacts:
    """Everything that has all words of `query` in its name or in what is said of it; names first, whole ones before
    parts. Of each sort the first SHOWN, or all where the `whole` of it is asked for.
    """
    query = " ".join(normalize("NFC", query).split())[:LONGEST]
    if not query:
        return SearchFacts(query)
    straight = _straight(work, query)
    wanted = query.casefold().split()
    groups = (_group(kind, listed(work, words), wanted, None if whole else SHOWN) for kind, listed in _SORTS.items())
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


def begins_a_word(part: str, text: str) -> bool:
    """Whether a word of `text` begins with `part`, as one of wind_speed does with speed and path does not with at.
    Korean joins its words without a space, so that there any place will do.
    """
    if not part.isascii():
        return part in text
    at = text.find(part)
    while at >= 0:
        before, first = text[at - 1 : at], part[0]
        if not (before.isascii() and before.isalnum() and first.isalnum()) or before.isdigit() != first.isdigit():
            return True
        at = text.find(part, at + 1)
    return False


def _group(kind: str, listed: Iterator[Hit], wanted: Sequence[str], most: int | None) -> Group:
    ranked = []
    for place, hit in enumerate(listed):
        name, text = hit.name.casefold(), f"{hit.name} {hit.about} {hit.also}".casefold()
        if all(begins_a_word(word, text) for word in wanted):
            whole = " ".join(wanted)
            ranked.append((name != whole, not name.startswith(whole), whole not in name, place, hit))
    ranked.sort(key=lambda each: each[:4])
    return Group(kind, tuple(each[4] for each in ranked[:most]), len(ranked))


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
            yield Hit(f"{name}.{column}", kind, f"/tables/{name}?column={quote(column)}")


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
            for column in feature.columns or _looked_up(work, feature.table) or ("",):
                whole = f"{feature.prefix}.{column}" if column else feature.prefix
                address = f"/tables/{feature.table}" + (f"?column={quote(column)}" if column else "")
                yield Hit(whole, f"{name}: {feature.table}", address)


def _looked_up(work: Workplace, name: str) -> tuple[str, ...]:
    """The columns of a table that a feature without names stands for: all but key, time and known."""
    version, table = newest(work.store.ledger, name), work.project.tables.get(name) or work.project.sources.get(name)
    if version is None or table is None:
        return ()
    return tuple(column for column in version.columns if column not in {*table.key, table.time, table.known})


def _actions(work: Workplace, words: Language) -> Iterator[Hit]:
    """What can be done on a page, by what people call it in every language."""
    for name in work.project.models:
        held, behind = roles(work.store.ledger, name).get("production"), before_production(work.store.ledger, name)
        if held is None or behind is None:
            continue
        version, before = model_version(name, held.record.version), model_version(name, behind)
        said = words.plain("Roll back to {version}", version=before)
        also = "rollback revert undo 롤백 되돌리기 복구"
        yield Hit(f"{name}: {said}", f"rondo rollback {name}", f"/live/{name}", also)
        yield Hit(f"{version}: {said}", f"rondo rollback {name}", f"/models/{name}/{held.record.version}", also)


def _alerts(work: Workplace, words: Language) -> Iterator[Hit]:
    for alert in reversed(newest_alerts(work.store.ledger)):
        yield Hit(alert.id, f"{alert.model} {alert.name}: {alert.summary}", f"/alerts/{alert.id}")


def _incidents(work: Workplace, words: Language) -> Iterator[Hit]:
    for incident in reversed(newest_incidents(work.store.ledger)):
        yield Hit(incident.id, f"{incident.name}: {incident.summary}", f"/incidents/{incident.id}")


def _testsets(work: Workplace, words: Language) -> Iterator[Hit]:
    for name, testset in work.project.testsets.items():
        yield Hit(name, testset.file, "/models#versions")


def _months(work: Workplace, words: Language) -> Iterator[Hit]:
    """The months of a replay: what production answered in each."""
    for model in work.project.models:
        for each in reversed(live_months(work.store.ledger, model)):
            address = f"/models?model={model}#months"
            also = datetime.strptime(each.month, "%Y-%m").strftime("%B %Y")
            said = words.counted("{version}, {n} answer", "{version}, {n} answers", each.rows, version=each.version)
            yield Hit(each.month, said, address, also)
        for made, _ in live_comparisons(work.store.ledger, model):
            asked = urlencode({"a": made.a, "b": made.b, "on": made.testset}, safe="@")
            also = datetime.strptime(made.testset, "%Y-%m").strftime("%B %Y")
            yield Hit(made.testset, words.plain("{a} against {b}", a=made.a, b=made.b), f"/compare?{asked}", also)


def _uses(work: Workplace, words: Language) -> Iterator[Hit]:
    for name in work.project.models:
        if "production" in roles(work.store.ledger, name):
            also = " ".join(Language(code, words.timezone).plain("The page for end users") for code in CODES)
            yield Hit(f"/use/{name}", words.plain("The page for end users"), f"/use/{name}", also)


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
    people = work.project.settings.people
    if not people:
        return
    for person in team_facts(work, words).people:
        about = " ".join(part for part in (person.id, *person.roles, person.contact) if part).replace("_", " ")
        owns = tuple((thing.name, thing.address) for thing in person.owns)
        yield Hit(person.name or person.id, about, f"/team#{person.id}", " ".join(name for name, _ in owns), owns)


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
    "actions": _actions,
    "tables": _tables,
    "columns": _columns,
    "models": _models,
    "versions": _versions,
    "features": _features,
    "testsets": _testsets,
    "months": _months,
    "uses": _uses,
    "alerts": _alerts,
    "incidents": _incidents,
    "reports": _reports,
    "documents": _documents,
    "questions": _questions,
    "people": _people,
}
"""What can be searched, in the order of the page."""
