"""The addresses of the console: what each shows, and where its facts come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rondo.handbook.cards import data_card, model_card
from rondo.handbook.compared import compared_facts
from rondo.handbook.documents import document_facts, documents_facts
from rondo.handbook.incidents import alert_facts, incident_facts, incidents_facts
from rondo.handbook.live import live_facts, live_index
from rondo.handbook.loop import loop_facts
from rondo.handbook.models import models_facts
from rondo.handbook.people import team_facts
from rondo.handbook.predictions import prediction_facts
from rondo.handbook.questions.book import handbook_facts
from rondo.handbook.report_facts import ReportFacts
from rondo.handbook.reports import report_asked, reports_facts
from rondo.handbook.search import search_facts
from rondo.handbook.table import table_details
from rondo.handbook.tables import tables_facts
from rondo.handbook.trying import try_facts
from rondo.handbook.versions import version_facts, version_named
from rondo.language.words import Language
from rondo.loop.workplace import Workplace
from rondo.pages.card import card_page
from rondo.pages.compare import compare_page
from rondo.pages.document import document_page, documents_page
from rondo.pages.frame import Frame
from rondo.pages.handbook import handbook_page
from rondo.pages.incidents import case_page, incidents_page
from rondo.pages.live import live_page
from rondo.pages.loop import loop_page
from rondo.pages.models import models_page
from rondo.pages.prediction import prediction_page, try_page
from rondo.pages.reports import report_page, report_sheets, reports_page
from rondo.pages.search import search_page
from rondo.pages.table import table_page, table_sheets
from rondo.pages.tables import tables_page
from rondo.pages.tabular import Sheet, sheets_of
from rondo.pages.team import team_page
from rondo.pages.version import version_page


@dataclass(frozen=True)
class Asked:
    """What an address was asked: the parts of its path, the parameters after it, and the reader's language."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    words: Language

    def whole(self, name: str) -> int | None:
        """A parameter that is a whole number; None without one."""
        written = self.path.get(name) or self.query.get(name) or ""
        return int(written) if written.isdecimal() else None


@dataclass(frozen=True)
class Address:
    """A page: its path as Starlette writes it, the facts behind it (which are its JSON), and how they become a page.

    `facts` raises NotFound where there is nothing of that name. `sheets` are what its tables hold.
    """

    path: str
    facts: Callable[[Workplace, Asked], Any]
    page: Callable[[Any, Frame], str]
    sheets: Callable[[Any], list[Sheet]] = sheets_of


def report_of(work: Workplace, asked: Asked) -> ReportFacts:
    """The report that was asked for, with its parameters."""
    as_of = work.now() if "as_of" in asked.query else None
    return report_asked(work, asked.path["name"], asked.query, code=asked.words.code, as_of=as_of)


ADDRESSES: tuple[Address, ...] = (
    Address("/", lambda work, asked: loop_facts(work), loop_page),
    Address(
        "/search",
        lambda work, asked: search_facts(
            work, asked.query.get("q", ""), asked.words, whole=asked.query.get("all") == "1"
        ),
        search_page,
    ),
    # tables
    Address("/tables", lambda work, asked: tables_facts(work), tables_page),
    Address(
        "/tables/{name}",
        lambda work, asked: table_details(
            work, asked.path["name"], version=asked.whole("version"), column=asked.query.get("column")
        ),
        table_page,
        table_sheets,
    ),
    # models
    Address(
        "/models", lambda work, asked: models_facts(work, asked.query.get("model"), asked.whole("page")), models_page
    ),
    Address("/models/{name}", lambda work, asked: version_facts(work, asked.path["name"]), version_page),
    Address(
        "/models/{name}/{version}",
        lambda work, asked: version_named(work, asked.path["name"], asked.path["version"]),
        version_page,
    ),
    Address(
        "/compare", lambda work, asked: compared_facts(work, *map(asked.query.get, ("a", "b", "on"))), compare_page
    ),
    # live
    Address("/live", lambda work, asked: live_index(work, asked.query), live_page),
    Address("/live/{model}", lambda work, asked: live_facts(work, asked.path["model"], asked.query), live_page),
    Address("/live/{model}/try", lambda work, asked: try_facts(work, asked.path["model"], asked.query), try_page),
    Address("/predictions/{id}", lambda work, asked: prediction_facts(work, asked.path["id"]), prediction_page),
    Address("/incidents", lambda work, asked: incidents_facts(work, asked.whole("page")), incidents_page),
    Address("/incidents/{id}", lambda work, asked: incident_facts(work, asked.path["id"]), case_page),
    Address("/alerts/{id}", lambda work, asked: alert_facts(work, asked.path["id"]), case_page),
    # handbook, reports
    Address(
        "/handbook",
        lambda work, asked: handbook_facts(work, asked.words, asked.query.get("q", ""), asked.query.get("model")),
        handbook_page,
    ),
    Address("/reports", lambda work, asked: reports_facts(work, asked.words.code), reports_page),
    Address("/reports/{name}", report_of, report_page, report_sheets),
    # people and documents
    Address("/team", lambda work, asked: team_facts(work, asked.words), team_page),
    Address("/docs", lambda work, asked: documents_facts(work), documents_page),
    Address("/cards/data", lambda work, asked: data_card(work), card_page),
    Address("/cards/model/{name}", lambda work, asked: model_card(work, asked.path["name"]), card_page),
    Address("/docs/{name}", lambda work, asked: document_facts(work, asked.path["name"], asked.words), document_page),
)
