from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from rondo.language.words import Language
from rondo.monitor.alerting import ENGLISH, Finding
from rondo.monitor.diagnosing import _named, diagnose
from rondo.monitor.evidence import REQUEST, Daily, Deployed, Evidence, Fed, Judged, Landed, TableState
from rondo.monitor.runbooks import Runbook, Section
from rondo.monitor.suspects import Suspect
from rondo.records.monitoring import Cause, Measurement
from rondo.stats.days import EPOCH
from rondo.stats.sketches import Sketch, sketch_numbers, sketch_values

NOW = datetime(2024, 3, 1, 6, tzinfo=UTC)
DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(60)]
FAULT = date(2024, 2, 22)
KOREAN = Language("ko", "UTC")
NAMES = {
    "feed", "feed_raw", "temp", "wind", "wind_speed", "breeze", "price", "shop", "partner", "late", "place", "ms",
    *("it", "has", "no", "column"),  # why a check said no is quoted as it was recorded
}  # fmt: skip
COMMANDS = re.compile(r"`[^`]+`")
TEMP, WIND, PRICE, KEY = ("feed_raw", "temp"), ("feed_raw", "wind"), (REQUEST, "price"), (REQUEST, "shop")


def daily(seed: int, broken: Callable[[np.ndarray], Sketch] | None = None, level: float = 50.0) -> Daily:
    rng = np.random.default_rng(seed)
    values = {day: rng.normal(level, 10, 120) for day in DAYS}
    return {
        day: broken(drawn) if broken is not None and day >= FAULT else sketch_numbers(drawn)
        for day, drawn in values.items()
    }


def landed(version: int, day: date, *columns: str) -> Landed:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Landed(version, at, dict.fromkeys(columns, "DOUBLE"))


def table(name: str, reads: tuple[str, ...] = (), **more: object) -> TableState:
    state = TableState(name, "table" if reads else "source", f"{name}_owner", reads, 4 * 3600, NOW - timedelta(hours=1))
    return replace(state, rows=dict.fromkeys(DAYS, 120), **more)  # type: ignore[arg-type]


@pytest.fixture
def healthy() -> Evidence:
    """A model fed a temperature and a wind that are looked up in a feed, and a price that comes with a request."""
    temp, wind, price = daily(1), daily(2), daily(3, level=9.0)
    asked = {day: sketch_values(["a"] * 60 + ["b"] * 60) for day in DAYS}
    looked_up = [("feed.temp", TEMP, temp), ("feed.wind", WIND, wind)]
    return Evidence(
        model="late",
        now=NOW,
        words=ENGLISH,
        owner="data_scientist",
        people={"feed_raw_owner": "Ada, ada@example.com"},
        fed=(
            *(Fed(n, "looked up", d, ("feed", p[1]), (("feed", p[1]), p), (), (KEY,)) for n, p, d in looked_up),
            Fed("price", "input", price, PRICE, (PRICE,)),
        ),
        tables={"feed_raw": table("feed_raw"), "feed": table("feed", ("feed_raw",))},
        columns={TEMP: temp, WIND: wind, ("feed", "temp"): temp, ("feed", "wind"): wind, PRICE: price, KEY: asked},
        deployments=(Deployed(1, NOW - timedelta(days=50)), Deployed(2, NOW - timedelta(days=40), 1)),
    )


def with_feature(evidence: Evidence, name: str, changed: Daily, *places: tuple[str, str]) -> Evidence:
    fed = tuple(replace(each, daily=changed) if each.name == name else each for each in evidence.fed)
    return replace(evidence, fed=fed, columns={**evidence.columns, **dict.fromkeys(places, changed)})


def one(evidence: Evidence, rule: str, about: str = "late") -> Finding:
    """What is found, in English; in Korean the same is found, and said without English."""
    finding = Finding("late", rule, about, "something is wrong")
    [found], [korean] = diagnose([finding], evidence), diagnose([finding], replace(evidence, words=KOREAN))
    assert replace(korean, causes=(), steps=()) == replace(found, causes=(), steps=())
    assert [COMMANDS.findall(step) for step in korean.steps] == [COMMANDS.findall(step) for step in found.steps]
    assert [cause.share for cause in korean.causes] == [cause.share for cause in found.causes]
    for cause in korean.causes:
        assert set(re.findall(r"[A-Za-z_]{2,}", cause.what)) <= NAMES, cause.what
        assert re.search("[가-힣]", cause.what) and "[/" not in cause.what
    return found


def first(found: Finding) -> str:
    return found.causes[0].what if found.causes else ""


@pytest.mark.parametrize(
    ("rule", "kind"),
    [("drift", "model"), ("quality", "model"), ("missing values", "data"), ("calibration", "model"), ("skew", "data")],
)
def test_where_nothing_is_wrong_nothing_is_claimed(healthy: Evidence, rule: str, kind: str) -> None:
    found = one(healthy, rule)
    assert (found.diagnosis, found.causes) == (kind, ())
    assert found.owner == "data_scientist" and found.steps and found.rollback == "rondo rollback late"


def test_a_change_is_followed_up_to_the_source(healthy: Evidence) -> None:
    celsius = daily(1, lambda values: sketch_numbers((values - 32) * 5 / 9))
    found = one(with_feature(healthy, "feed.temp", celsius, ("feed", "temp"), TEMP), "drift", "feature feed.temp")
    assert found.diagnosis == "data"
    assert first(found).startswith("feed_raw.temp: values are 0.5556 times") and "Celsius" in first(found)
    assert found.owner == "feed_raw_owner"
    assert any("Ada, ada@example.com" in step and "feed_raw" in step for step in found.steps)
    assert sum(cause.share or 0.0 for cause in found.causes) <= 1.0


def test_a_change_that_the_source_does_not_have_is_the_table_s(healthy: Evidence) -> None:
    doubled = daily(1, lambda values: sketch_numbers(values * 100))
    found = one(with_feature(healthy, "feed.temp", doubled, ("feed", "temp")), "drift")
    assert first(found).startswith("feed.temp: values are 100 times")


def test_what_a_request_brings_is_told_with_who_asks(healthy: Evidence) -> None:
    cents = daily(3, lambda values: sketch_numbers(values * 100), level=9.0)
    evidence = with_feature(healthy, "price", cents, PRICE)
    callers = {"app": {"price": healthy.columns[PRICE]}, "partner": {"price": cents}}
    assert "price of requests: values are 100 times" in first(one(evidence, "values out of range"))
    assert first(one(replace(evidence, callers=callers), "drift")).endswith("asked by partner")


def test_a_renamed_column_names_both(healthy: Evidence) -> None:
    gone = daily(2, lambda values: sketch_numbers([], nulls=len(values)))
    evidence = with_feature(healthy, "feed.wind", gone, ("feed", "wind"), WIND)
    new = {day: sketch for day, sketch in healthy.columns[WIND].items() if day >= FAULT}
    versions = (landed(6, DAYS[0], "temp", "wind"), landed(7, FAULT, "temp", "wind", "wind_speed"))
    evidence = replace(
        evidence,
        columns={**evidence.columns, ("feed_raw", "wind_speed"): new},
        tables={**evidence.tables, "feed_raw": replace(evidence.tables["feed_raw"], versions=versions)},
    )
    found = one(evidence, "missing values", "feature feed.wind")
    assert first(found) == "column wind of feed_raw is gone (v7); new column wind_speed holds what it held"


def test_look_ups_that_find_nothing_are_the_key_s(healthy: Evidence) -> None:
    nothing = daily(1, lambda values: sketch_numbers([], nulls=len(values)))
    evidence = with_feature(with_feature(healthy, "feed.temp", nothing), "feed.wind", nothing)
    keys = {
        d: sketch_values(["A"] * 60 + ["B"] * 60) if d >= FAULT else each for d, each in evidence.columns[KEY].items()
    }
    told = first(one(evidence, "missing values"))
    assert "look-ups in feed find nothing" in told
    told = first(one(replace(evidence, columns={**evidence.columns, KEY: keys}), "missing values"))
    assert told.startswith("shop of requests: values are written otherwise: a → A")


def test_a_source_that_stopped_is_named_with_its_owner_and_steps(healthy: Evidence) -> None:
    silent = replace(healthy.tables["feed_raw"], newest=datetime(2024, 2, 29, 18, tzinfo=UTC))
    book = Runbook("docs/runbook.md", None, None, (Section("The feed", ("stale data feed_raw",), ("Ask {owner}.",)),))
    late = replace(healthy.tables["feed"], newest=silent.newest)
    evidence = replace(healthy, tables={"feed_raw": silent, "feed": late}, runbook=book, state="year")
    found = one(evidence, "stale data", "table feed")
    assert first(found) == (
        "feed_raw (source) has brought nothing since 29 February 18:00, against fresh 4h; read by feed.temp, feed.wind"
    )
    assert (found.diagnosis, found.owner, found.runbook) == ("data", "feed_raw_owner", "docs/runbook.md#the-feed")
    assert found.steps == ("Ask feed_raw_owner.",)
    assert found.rollback == "rondo rollback late --state year"
    assert one(evidence, "drift").causes == ()  # nothing has moved yet


@pytest.mark.parametrize(("scale", "section"), [(1.0, "The feed"), (100.0, "Any drift")])
def test_a_section_that_names_a_table_is_for_what_explains_enough(
    healthy: Evidence, scale: float, section: str
) -> None:
    warmer = daily(1, lambda values: sketch_numbers(values + 9))
    dearer = daily(3, lambda values: sketch_numbers(values * scale), level=9.0)
    sections = (Section("The feed", ("drift feed_raw",), ("Ask.",)), Section("Any drift", ("drift",), ("Look.",)))
    evidence = with_feature(healthy, "feed.temp", warmer, ("feed", "temp"), TEMP)
    evidence = with_feature(evidence, "price", dearer, PRICE) if scale != 1.0 else evidence
    found = one(replace(evidence, runbook=Runbook("docs/runbook.md", None, None, sections)), "drift")
    assert any("feed_raw" in cause.what for cause in found.causes)  # it is mentioned either way
    assert first(found).startswith("feed_raw") == (scale == 1.0)
    assert found.runbook == "docs/runbook.md#" + section.casefold().replace(" ", "-")


def test_a_first_cause_that_explains_little_names_no_section(healthy: Evidence) -> None:
    little, enough = (Cause(what="feed_raw.temp: moved", share=share) for share in (0.14, 0.3))
    suspect = Suspect("data", little.what, 1.0, table="feed")
    finding = Finding("late", "drift", "score_wasserstein", "something is wrong")
    assert _named(finding, suspect, (little,), healthy) == "score_wasserstein"
    assert _named(finding, suspect, (enough,), healthy).split()[-2:] == ["feed", "feed_raw"]


def test_a_feature_with_no_known_fault_is_its_sources_all_the_same(healthy: Evidence) -> None:
    found = one(healthy, "missing values", "feature feed.temp")
    assert (found.diagnosis, found.causes, found.owner) == ("data", (), healthy.tables["feed_raw"].owner)


def test_a_table_that_is_held_back_says_why(healthy: Evidence) -> None:
    versions = (landed(6, DAYS[0], "temp", "wind"), landed(7, FAULT, "temp", "breeze"))
    held = replace(healthy.tables["feed"], refused="it has no column wind.", refused_at=NOW - timedelta(days=2))
    tables = {"feed_raw": replace(healthy.tables["feed_raw"], versions=versions), "feed": held}
    told = first(one(replace(healthy, tables=tables), "data blocked", "table feed"))
    assert "feed (table) is held back: it has no column wind; wind of feed_raw gone since v7" in told
    assert "feed_raw has new columns since v7: breeze" in told


def judged(prior: bool) -> Judged:
    rng = np.random.default_rng(0)
    day = np.repeat(np.array([(each - EPOCH).days for each in DAYS]), 120)
    late = day >= (FAULT - EPOCH).days
    x = rng.normal(0, 1.5, len(day))
    score = 1 / (1 + np.exp(-x))
    truth = (rng.uniform(size=len(day)) < 1 / (1 + np.exp(-(x + 1.5 * late * (not prior))))).astype(float)
    kept = ~late | (truth == 1) | (rng.uniform(size=len(day)) < 0.3) | (not prior)
    return Judged(day[kept], score[kept], truth[kept], {"x": x[kept]})


def test_the_world_is_named_where_the_data_is_healthy(healthy: Evidence) -> None:
    found = one(replace(healthy, judged=judged(prior=True)), "quality")
    assert found.diagnosis == "model" and "prior shift" in first(found) and found.owner == "data_scientist"
    found = one(replace(healthy, judged=judged(prior=False)), "calibration")
    assert found.diagnosis == "model" and "concept shift" in first(found)
    broken = with_feature(healthy, "feed.temp", daily(1, lambda v: sketch_numbers(v * 100)), ("feed", "temp"), TEMP)
    assert one(replace(broken, judged=judged(prior=False)), "quality").diagnosis == "data"


def test_a_release_right_before_it_is_the_cause(healthy: Evidence) -> None:
    since = datetime(2024, 2, 22, 3, tzinfo=UTC)
    evidence = replace(healthy, judged=judged(prior=False), deployments=(Deployed(2, DAY0), Deployed(3, since, 2)))
    found = one(evidence, "quality")
    assert "late@3 went into production on 22 February, replacing late@2, right before it began" in first(found)
    assert found.rollback == "rondo rollback late"


DAY0 = datetime(2024, 1, 1, tzinfo=UTC)


def served(**last: float) -> tuple[Measurement, ...]:
    usual = {"requests": 1000.0, "error_share": 0.0, "latency_p99_ms": 5.0, "log_write_p99_ms": 2.0, "log_lag_s": 10.0}
    found = []
    for back in range(20, 0, -1):
        start = NOW - timedelta(hours=back)
        for metric, value in (usual | (last if back == 1 else {})).items():
            found.append(
                Measurement(
                    name="late", metric=metric, feature=None, start=start, end=start + timedelta(hours=1), rows=1000,
                    matured=0, value=value, low=value, high=value, limit=None, state="no limit",
                )
            )  # fmt: skip
    return tuple(found)


@pytest.mark.parametrize(
    ("rule", "last", "words"),
    [
        ("latency", {"latency_p99_ms": 450.0, "log_write_p99_ms": 410.0}, "disk is slow: write p99 410 ms"),
        ("latency", {"latency_p99_ms": 450.0, "requests": 9000.0}, "9.0 times as many requests"),
        ("latency", {"latency_p99_ms": 450.0}, "neither the log nor the load explains it"),
        ("service errors", {"error_share": 0.2}, "20.0% of requests fail"),
        ("prediction log", {"log_lag_s": 900.0}, "predictions wait 900 s"),
    ],
)
def test_the_service_s_own_figures_tell(healthy: Evidence, rule: str, last: dict[str, float], words: str) -> None:
    found = one(replace(healthy, measurements=served(**last)), rule)
    assert found.diagnosis == "service" and words in first(found)


def test_a_service_that_broke_with_a_release_is_the_release_s(healthy: Evidence) -> None:
    deployed = (*healthy.deployments, Deployed(3, NOW - timedelta(hours=2), 2))
    found = one(replace(healthy, measurements=served(error_share=0.2), deployments=deployed), "service errors")
    assert first(found) == "late@3 went into production right before it began"


def test_the_same_evidence_gives_the_same_diagnosis(healthy: Evidence) -> None:
    evidence = with_feature(healthy, "feed.temp", daily(1, lambda v: sketch_numbers(v * 100)), TEMP)
    assert one(evidence, "drift") == one(evidence, "drift")
