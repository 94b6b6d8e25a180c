from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rondo.handbook.questions.desk import Desk
from rondo.handbook.questions.paragraphs import paragraph

At = Callable[..., Desk]
Call = Callable[[Path, Sequence[str]], tuple[int, str, str]]


@pytest.fixture
def copied(shop_round: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shop_round, tmp_path / "project")


def written(root: Path, number: int, text: str, at: datetime | None = None) -> None:
    path = root / "docs" / "handbook" / f"{number:02}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if at is not None:
        os.utime(path, (at.timestamp(), at.timestamp()))


def test_without_a_file_there_is_none(shop_round: Path, desk: At) -> None:
    assert paragraph(desk(shop_round), 9) is None


def test_author_and_day_are_those_of_the_head(copied: Path, desk: At) -> None:
    written(copied, 9, "---\nauthor: Dana\ndate: 2026-02-03\n---\nAsk **me** about `loads`.\n")
    found = paragraph(desk(copied), 9)
    assert found is not None
    assert (found.author, found.body) == ("Dana", "Ask **me** about `loads`.")
    assert found.written.astimezone(desk(copied).words.zone).date().isoformat() == "2026-02-03"


def test_what_it_mentions_stands_as_it_was(copied: Path, desk: At) -> None:
    written(copied, 9, "The table loads feeds late; see `rondo profile loads`.\n")
    found = paragraph(desk(copied), 9)
    assert found is not None and found.changed == ()


def test_a_definition_that_changed_since_is_told(copied: Path, desk: At, call: Call) -> None:
    written(copied, 9, "loads is the load of the hour before.\n")
    table = copied / "tables" / "loads.sql"
    table.write_text(table.read_text().replace("load from", "load * 2 as load from"))
    found = paragraph(desk(copied), 9)
    assert found is not None and found.changed == ("The definition of loads has changed, and was not built since.",)
    call(copied, ["run", "loads"])
    found = paragraph(desk(copied), 9)
    assert found is not None and len(found.changed) == 1 and "loads changed on" in found.changed[0]
    written(copied, 9, "loads is twice the load.\n", datetime.now(UTC) + timedelta(seconds=5))
    found = paragraph(desk(copied), 9)
    assert found is not None and found.changed == ()


def test_another_version_in_production_is_told(copied: Path, desk: At, call: Call) -> None:
    held = desk(copied).at_work["production"].record.version
    written(copied, 24, f"late@{held} is good enough.\n")
    found = paragraph(desk(copied), 24)
    assert found is not None and found.changed == ()
    call(copied, ["promote", f"late@{3 - held}", "--to", "production", "--because", "a try"])
    found = paragraph(desk(copied), 24)
    assert found is not None and any(f"late@{3 - held} is in production" in each for each in found.changed)


def test_names_that_are_not_there_are_told(copied: Path, desk: At) -> None:
    written(copied, 11, "See `tables/gone.sql`, loads.nothing and `roc_auc >= 0.99`; ask `rondo profile nobody`.\n")
    found = paragraph(desk(copied), 11)
    assert found is not None
    told = " ".join(found.changed)
    assert all(name in told for name in ("tables/gone.sql", "nothing", "roc_auc >= 0.99", "nobody"))


def test_a_head_that_cannot_be_read_stops_nothing(copied: Path, desk: At) -> None:
    written(copied, 11, "---\ndate: soon\n---\nText.\n")
    found = paragraph(desk(copied), 11)
    assert found is not None and found.body == "Text." and "soon" in found.changed[0]
