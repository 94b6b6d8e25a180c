"""The pages of what is at work, as a reader gets them, of a real project."""

from __future__ import annotations

import html
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rondo.console.looking import frame_of
from rondo.handbook.live import LiveModels, live_facts, live_index
from rondo.handbook.predictions import prediction_facts, recent
from rondo.handbook.rollbacks import WayBack
from rondo.handbook.trying import try_facts
from rondo.language.catalogues import CODES, Code
from rondo.loop.workplace import Workplace, open_workplace
from rondo.pages.frame import Frame
from rondo.pages.live import live_page
from rondo.pages.prediction import prediction_page, try_page
from rondo.records.deployment import Deployment
from rondo.records.monitoring import Measurement


@pytest.fixture
def work(live_shop: Path) -> Workplace:
    return open_workplace(live_shop, readonly=True)


def frame(work: Workplace, code: Code = "en", **changes: object) -> Frame:
    return replace(frame_of(work), code=code, **changes)  # type: ignore[arg-type]


def text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)).split())


@pytest.mark.parametrize("code", CODES)
def test_a_model_at_work(work: Workplace, code: Code) -> None:
    facts = live_facts(work, "late", {"day": "2024-02-10"})
    page = live_page(facts, frame(work, code, address="/live/late"))
    assert f'<html lang="{code}">' in page and page.count("<h1>") == 1
    said = text(page)
    assert ("late@1 answers every request" if code == "en" else "late@1이 모든 요청에 답합니다") in said
    for section in ("roles", "traffic", "performance", "features", "fresh", "parity", "log", "try"):
        assert f'<section id="{section}"' in page
    assert f'href="/predictions/{facts.recent[0].id}"' in page
    assert 'href="/tables/loads?column=load"' in page
    assert "rondo monitor late" in said
    assert page.count('<svg viewBox="0 0 200 92"') == 4  # a drawing for each feature


def test_a_saved_page_leads_nowhere_and_offers_nothing(work: Workplace) -> None:
    facts = replace(live_facts(work, "late", {}), back=WayBack("late", "late@2", "late@1", "roc_auc"))
    shown = live_page(facts, frame(work, token="t", address="/live/late"))
    assert 'action="/actions/rollback"' in shown and "have not been compared" in text(shown)
    saved = live_page(facts, frame(work, token="t", saved=True, address="/live/late"))
    assert 'href="/' not in saved and "<form" not in saved and "<svg" in saved
    assert "/actions/" not in live_page(facts, frame(work))  # who may only look


def test_nothing_at_work_says_what_to_do(shop: Path) -> None:
    work = open_workplace(shop, readonly=True)
    index = live_index(work, {})
    assert isinstance(index, LiveModels)
    assert "Nothing is at work yet" in text(live_page(index, frame(work)))
    said = text(live_page(live_facts(work, "late", {}), frame(work)))
    assert "Nothing of late is in production" in said and "rondo promote late@1 --to production" in said


def test_a_canary_is_told_with_its_share(live_shop: Path, tmp_path: Path) -> None:
    work = open_workplace(Path(shutil.copytree(live_shop, tmp_path / "copy")))
    canary = Deployment(name="late", version=2, role="canary", share=0.1)
    work.store.ledger.append(canary, by="ada")
    said = text(live_page(live_facts(work, "late", {}), frame(work, token="t")))
    assert "late@1 answers 90 %, late@2 the other 10 %" in said
    assert "No request has been scored by both yet." in said
    assert "Promote late@2 to production" in said and "Take late@2 off" in said


@pytest.mark.parametrize("code", CODES)
def test_a_prediction_has_a_page_of_its_own(work: Workplace, code: Code) -> None:
    facts = prediction_facts(work, recent(work, "late", 20)[-1].id)
    page = prediction_page(facts, frame(work, code))
    said = text(page)
    assert facts.answer.id in said and f"rondo explain late --id {facts.answer.id}" in said
    assert 'class="waterfall"' in page and 'href="/tables/loads_raw?column=load"' in page
    assert "hour(asked_at)" in said
    again = re.search(r'href="(/live/late/try\?[^"]*)"', page)
    assert again is not None and "shop=" in again[1] and "asked_at=" in again[1]


@pytest.mark.parametrize("code", CODES)
def test_a_try_says_what_it_would_answer(work: Workplace, code: Code) -> None:
    empty = try_facts(work, "late", {})
    given = {field.name: field.given for field in empty.fields}
    assert "<select" in try_page(empty, frame(work, code)) and "waterfall" not in try_page(empty, frame(work, code))
    page = try_page(try_facts(work, "late", given), frame(work, code))
    assert 'class="waterfall"' in page and "rondo predict late@1 --row" in text(page)
    wrong = try_page(try_facts(work, "late", {**given, "distance": "<b>far"}), frame(work, code))
    assert 'aria-invalid="true"' in wrong and "<b>far" not in wrong


def served(metric: str, value: float, *, hours: int = 24, limit: float | None = None, unit: str = "") -> Measurement:
    start = datetime(2024, 2, 29, tzinfo=UTC)
    return Measurement(
        name="late", metric=metric, feature=None, start=start, end=start + timedelta(hours=hours), rows=900, matured=0,
        value=value, low=value * 0.9, high=value * 1.1, limit=limit, state="within", unit=unit, n=900,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("failed", "told"), [(0.0, "The service is well: no error in 900 requests"), (0.01, "at times: 9 errors in 900")]
)
def test_what_the_server_counted_comes_first(work: Workplace, failed: float, told: str) -> None:
    day = {
        "requests": served("requests", 900.0),
        "error_share": served("error_share", failed, unit="share", limit=0.01),
        "latency_p99_ms": served("latency_p99_ms", 11.8, limit=20.0),
    }  # fmt: skip
    hour = {
        name: [replace_hours(each, n) for n in range(3)] for name, each in day.items()
    }  # fmt: skip
    facts = replace(live_facts(work, "late", {}), service=day, hours=hour)
    said = text(live_page(facts, frame(work)))
    assert told in said and "99 of 100 answers within 11.8 ms" in said and "limit 20" in said
    assert "Milliseconds, by the hour." in said and "rehearsed, 500" not in said


def replace_hours(each: Measurement, n: int) -> Measurement:
    return served(each.metric, each.value or 0.0, hours=n + 1, limit=each.limit, unit=each.unit)
