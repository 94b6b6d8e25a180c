from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rondo.errors import WrongUse
from rondo.project.people import Person
from rondo.records.team import Approval, Decision
from rondo.store.ledger import Ledger, open_ledger
from rondo.team.decisions import approvals, decide, person, sign

NOW = datetime(2013, 5, 1, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=lambda: NOW)


def test_a_decision_says_who_what_why_and_on_what_evidence(ledger: Ledger) -> None:
    made = decide(ledger, "late", "promoted late@7", by="mia", why="it passed", evidence="gate of late@7")
    entry = ledger.latest(Decision, name="late")
    assert entry is not None and (entry.record, entry.by, entry.at) == (made, "mia", NOW)
    assert (made.what, made.who, made.why, made.evidence) == ("promoted late@7", "mia", "it passed", "gate of late@7")


def test_a_signature_answers_for_one_line_of_one_version(ledger: Ledger) -> None:
    sign(ledger, "late", 7, "roc_auc >= 0.7", by="mia", because="few rows")
    sign(ledger, "late", 7, "f1 >= 0.3", by="kim", because="seasonal")
    sign(ledger, "late", 8, "roc_auc >= 0.7", by="lee", because="again")
    sign(ledger, "other", 7, "roc_auc >= 0.7", by="lee", because="again")
    assert {text: found.who for text, found in approvals(ledger, "late", 7).items()} == {
        "roc_auc >= 0.7": "mia",
        "f1 >= 0.3": "kim",
    }
    assert approvals(ledger, "late", 9) == {}


def test_the_newest_signature_holds_and_none_is_lost(ledger: Ledger) -> None:
    for by in ("mia", "kim"):
        sign(ledger, "late", 7, "roc_auc >= 0.7", by=by, because="few rows")
    assert approvals(ledger, "late", 7)["roc_auc >= 0.7"].who == "kim"
    assert ledger.count(Approval, "late") == 2


@pytest.mark.parametrize("because", ["", "  \n"])
def test_a_signature_needs_a_reason(ledger: Ledger, because: str) -> None:
    with pytest.raises(WrongUse, match="needs a reason"):
        sign(ledger, "late", 7, "roc_auc >= 0.7", by="mia", because=because)
    assert ledger.count(Approval) == 0


@pytest.mark.parametrize(
    ("owner", "shown"),
    [
        ("engineer", "engineer (Mia, mia@example.com)"),
        ("analyst", "analyst (kim@example.com)"),
        ("boss", "boss"),
        ("stranger", "stranger"),
        (None, None),
    ],
)
def test_an_owner_is_shown_with_name_and_contact(owner: str | None, shown: str | None) -> None:
    people = (
        Person("engineer", "Mia", "mia@example.com"),
        Person("analyst", contact="kim@example.com"),
        Person("boss"),
    )
    assert person(people, owner) == shown
