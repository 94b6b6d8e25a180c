from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from rondo.deploy.logged import payload_of
from rondo.deploy.predictions import compact, stream_of
from rondo.deploy.recent import answers_about, newest_answers
from rondo.deploy.resolving import newest_signature
from rondo.features.signature import Signature
from rondo.handbook.predictions import newest_logged
from rondo.loop.workplace import Workplace, open_workplace
from rondo.store.spans import may_hold, span


@pytest.fixture
def work(live_shop: Path) -> Workplace:
    return open_workplace(live_shop, readonly=True)


@pytest.fixture
def signature(work: Workplace) -> Signature:
    found = newest_signature(work.store, "late")
    assert found is not None
    return found


def every(work: Workplace) -> list[tuple[datetime, datetime, str]]:
    query = 'select "at", moment, id from predictions.late where beside is null'
    rows = work.catalog.query(query, limit=None).rows.to_pylist()
    return sorted(((row["at"], row["moment"], row["id"]) for row in rows), reverse=True)


@pytest.mark.parametrize("rows", [1, 7, 10, 25, 10_000])
def test_the_newest_are_those_that_reading_all_would_find(work: Workplace, rows: int) -> None:
    found = [(each.at, each.moment, each.id) for each in newest_answers(work.store, "late", rows)]
    assert found == every(work)[:rows]  # the last ten are in the log alone


def test_answers_of_a_key_are_found_in_the_log_and_in_the_lake(work: Workplace, signature: Signature) -> None:
    for logged in (newest_logged(work, "late", 20)[0], newest_answers(work.store, "late", 200)[-1]):
        day = logged.moment - timedelta(hours=1), logged.moment + timedelta(hours=1)
        found = answers_about(work.store, signature, {"visit": str(logged.request["visit"])}, *day)
        assert [each.id for each in found] == [logged.id]
        assert logged.id in {each.id for each in answers_about(work.store, signature, {}, *day)}
        assert answers_about(work.store, signature, {"visit": "nobody"}, *day) == []


def test_what_was_only_scored_beside_an_answer_is_no_answer(
    live_shop: Path, tmp_path: Path, signature: Signature
) -> None:
    root = Path(shutil.copytree(live_shop, tmp_path / "copy"))
    work = open_workplace(root)
    newest = newest_answers(work.store, "late", 1)[0]
    later = datetime(2030, 1, 1, tzinfo=UTC)
    beside = msgspec.structs.replace(newest, id="z-beside", at=later, beside=newest.id, role="shadow")
    given = msgspec.structs.replace(newest, id="z-given", at=later - timedelta(days=1))
    work.store.log.append(stream_of("late"), [payload_of(beside), payload_of(given)])
    assert [each.id for each in newest_answers(work.store, "late", 2)] == ["z-given", newest.id]
    compact(work.store, signature, by="test", now=later)
    assert [each.id for each in newest_answers(work.store, "late", 2)] == ["z-given", newest.id]
    assert newest_answers(work.store, "late", 1, until=later - timedelta(days=2))[0].id == newest.id


def test_a_file_that_cannot_hold_it_is_not_read(work: Workplace) -> None:
    files = work.store.lake.files("predictions/late")
    held = span(files[0], "at")
    assert held is not None and may_hold(files[:1], "at", *held) == files[:1]
    assert may_hold(files, "at", held[1] + timedelta(days=9000), held[1] + timedelta(days=9001)) == []
    assert span(files[0], "nothing") is None and may_hold(files[:1], "nothing", 0, 1) == files[:1]
