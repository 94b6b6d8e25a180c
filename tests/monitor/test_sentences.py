from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.language.catalogues import CODES, translations
from rondo.language.words import Language
from rondo.monitor.alerting import ENGLISH, Finding, settle
from rondo.monitor.messages import email, request_of, text, title
from rondo.monitor.patterns import DEGREES, UNITS
from rondo.monitor.phrases import day_text, listed
from rondo.monitor.rules import findings
from rondo.monitor.runbooks import BUILT_IN
from rondo.monitor.sentences import sentence
from rondo.monitor.watched import RULES, WATCHED
from rondo.records.monitoring import Alert, Cause, Delivery, Measurement

KOREAN = Language("ko", "Asia/Seoul")
NOW = datetime(2024, 3, 11, 6, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
METRICS = (*(name for name, each in WATCHED.items() if each), "roc_auc", "estimated_roc_auc")
finite = st.floats(allow_nan=False, allow_infinity=False)


def latin(said: str) -> set[str]:
    """The words in Latin letters."""
    return set(re.findall(r"[A-Za-z_]{2,}", said))


def seen(metric: str, length: timedelta, **more: object) -> Measurement:
    told: dict[str, Any] = {
        "name": "late", "metric": metric, "feature": None, "start": NOW - length, "end": NOW, "rows": 900,
        "matured": 0, "value": 0.4, "low": 0.36, "high": 0.44, "limit": 0.1, "state": "out", "n": 900,
        "unit": "", "side": "above", "basis": "declared",
    }  # fmt: skip
    return Measurement(**{**told, **more})


def in_korean(*measurements: Measurement) -> Alert:
    found, examined = findings(measurements, now=NOW, words=KOREAN, false_alarms=1)
    [alert] = settle(found, examined, [], NOW, KOREAN)
    return alert


@pytest.mark.parametrize(
    ("measurement", "names", "said"),
    [
        (
            seen("staleness_h", HOUR, feature="weather_raw", value=30.0, limit=4.0),
            {"weather_raw"},
            "weather_raw에 30시간째 새 데이터가 없습니다. 신선 기간은 4시간입니다.",
        ),
        (
            seen("null_shift", DAY, feature="weather.temp", unit="share"),
            {"weather", "temp"},
            "2024년 3월 10일에 weather.temp의 결측 비율이 학습 때보다 40.0% [36.0%, 44.0%]만큼 높았습니다(900행 기준). "
            "한계 10.0% 초과(선언됨).",
        ),
        (
            seen("population_stability_index", WEEK, feature="load", value=1.25, basis="calibrated", n=12_000),
            {"load"},
            "2024년 3월 4일에 시작한 주에 load의 분포가 학습 때와 멀어졌습니다. 모집단 안정성 지수는 1.25 [0.36, 0.44]"
            "입니다(12,000행 기준). 한계 0.1 초과(보정됨: 모델의 모든 한계를 합쳐 우연한 알림은 한 달에 최대 1건).",
        ),
        (
            seen("roc_auc", WEEK, limit=0.7, side="below", higher_is_better=True, by="공항", is_="김포"),
            {"roc_auc"},
            "공항 값이 김포인 곳에서는 2024년 3월 4일에 시작한 주에 roc_auc 측정값은 0.4 [0.36, 0.44]입니다(900행 기준). "
            "한계 0.7 미만(선언됨).",
        ),
    ],
    ids=["stale data", "missing values", "drift", "quality"],
)
def test_an_alert_of_a_korean_project_reads_korean(measurement: Measurement, names: set[str], said: str) -> None:
    alert = in_korean(measurement)
    assert alert.summary == said
    assert latin(alert.summary) == names
    assert alert.name in RULES, "rules keep the names by which runbooks and silences know them"


@pytest.mark.parametrize("metric", METRICS)
def test_no_english_is_left_in_any_summary(metric: str) -> None:
    for length in (HOUR, DAY, WEEK):
        for basis in ("declared", "calibrated", "uncalibrated"):
            measurement = seen(metric, length, feature="기온", basis=basis, value=None if basis == "declared" else 0.4)
            said = sentence(measurement, KOREAN, false_alarms=1.0, cost=seen("expected_loss", WEEK, feature="기온"))
            assert latin(said) <= {"ms", "roc_auc"}
            assert re.search("[가-힣]", said) and "[/" not in said


@given(
    metric=st.sampled_from(METRICS),
    numbers=st.tuples(finite, finite, finite, finite),
    length=st.sampled_from([HOUR, DAY, WEEK]),
    basis=st.sampled_from(["declared", "calibrated", "uncalibrated", None]),
    side=st.sampled_from(["above", "below", None]),
    unit=st.sampled_from(["", "share", "h", "ms"]),
    feature=st.sampled_from([None, "w.temp", "기온"]),
    by=st.sampled_from([None, "origin"]),
    false_alarms=finite,
    code=st.sampled_from(CODES),
)  # fmt: skip
def test_any_finite_numbers_make_a_sentence(
    metric: str,
    numbers: tuple[float, float, float, float],
    false_alarms: float,
    code: Any,
    length: timedelta,
    **more: Any,
) -> None:
    value, low, high, limit = numbers
    measurement = seen(metric, length, value=value, low=low, high=high, limit=limit, is_="x", **more)
    words = Language(code, "Asia/Seoul")
    for cost in (None, measurement):
        said = sentence(measurement, words, false_alarms=false_alarms, cost=cost)
        assert said.endswith(".") and len(said) > 10
        assert "{" not in said and "None" not in said


def test_several_findings_are_counted_in_korean() -> None:
    found = [Finding("late", "drift", name, "옮겨졌습니다.") for name in ("x", "y", "z")]
    assert [alert.summary for alert in settle(found, [], [], NOW, KOREAN)] == ["옮겨졌습니다. (외 2건)"]
    assert settle(found, [], [], NOW)[0].summary == "옮겨졌습니다. (and 2 more)"


def test_days_and_names_are_said_as_people_say_them() -> None:
    assert (day_text(NOW, ENGLISH), day_text(NOW, KOREAN)) == ("11 March", "3월 11일")
    names = ["a", "b", "c"]
    assert (listed(names, ENGLISH, 2), listed(names, KOREAN, 2), listed(names, KOREAN)) == (
        "a, b and 1 more", "a, b 외 1개", "a, b, c",
    )  # fmt: skip


def test_built_in_steps_are_translated_with_their_commands() -> None:
    for step in {step for steps in BUILT_IN.values() for step in steps}:
        said = KOREAN.known(step)
        marked = re.compile(r"`[^`]+`|\{\w+\}")
        assert sorted(marked.findall(said)) == sorted(marked.findall(step))
        assert latin(marked.sub("", said)) <= {"SQL"}, said


def test_units_and_rules_and_states_are_translated() -> None:
    told = [*(unit for *_, unit in (*UNITS, *DEGREES)), *RULES]
    for field in ("state", "severity", "diagnosis"):
        [kind] = [each.type for each in msgspec.structs.fields(Alert) if each.name == field]
        told += [word for each in (kind, *get_args(kind)) for word in get_args(each) if isinstance(word, str)]
    korean = {each: KOREAN.known(each) for each in told}
    assert {each for each, said in korean.items() if latin(said)} == set()
    backwards: dict[str, set[str]] = defaultdict(set)
    for *_, unit in (*UNITS, *DEGREES):
        backwards[korean[unit]].add(unit)
    assert {said for said, units in backwards.items() if len(units) > 1} == set()
    assert translations("ko").gettext("stale data") == "오래된 데이터"


ALERT = Alert(
    name="stale data", id="a1b2c3", model="late", number=1, event="opened", state="open", since=NOW, changed=NOW,
    severity="critical", summary="weather에 30시간째 새 데이터가 없습니다.", about=["weather", "feature weather.temp"],
    diagnosis="data", causes=[Cause(what="weather_raw가 보류됨", share=0.9)], owner="mia", by="mia",
    runbook="docs/runbook.md#data", steps=["`rondo run`"], rollback="rondo rollback late",
)  # fmt: skip


def test_a_message_to_korean_readers() -> None:
    assert text(ALERT, KOREAN).split("\n") == [
        "[열림] 심각: late, 오래된 데이터: weather에 30시간째 새 데이터가 없습니다.",
        "2024년 3월 11일 15:00(Asia/Seoul)부터, 알림 a1b2c3",
        "진단: 데이터",
        "원인: weather_raw가 보류됨 (90%)",
        "대상: weather, 피처 weather.temp",
        "담당: mia",
        "열림: mia",
        "런북: docs/runbook.md#data",
        "1. `rondo run`",
        "배포 되돌리기: rondo rollback late",
    ]


def test_only_what_people_read_depends_on_the_language() -> None:
    delivery = Delivery(name="hook", id="a1b2c3-1-hook", alert="a1b2c3", number=1, state="sending", due=NOW)

    def body(kind: str, words: Language) -> Any:
        request = request_of(kind, ALERT, delivery, project="flights", secret="s", now=NOW, words=words)
        return json.loads(request.body)

    assert body("webhook", KOREAN) == body("webhook", ENGLISH)
    assert body("slack", KOREAN) == {"text": text(ALERT, KOREAN)}
    pager, english = body("pagerduty", KOREAN), body("pagerduty", ENGLISH)
    assert pager["payload"].pop("summary") == title(ALERT, KOREAN) != english["payload"].pop("summary")
    assert pager == english
    [manager], [english] = body("alertmanager", KOREAN), body("alertmanager", ENGLISH)
    assert manager["annotations"].pop("description") == text(ALERT, KOREAN) != english["annotations"].pop("description")
    assert manager == english
    mail = email(ALERT, delivery, "rondo@example.com", ("mia@example.com",), "flights", KOREAN)
    assert mail["Subject"] == f"[flights] {title(ALERT, KOREAN)}" and mail.get_content() == text(ALERT, KOREAN) + "\n"


def test_a_message_to_english_readers() -> None:
    alert = msgspec.structs.replace(ALERT, summary="weather has\nbrought nothing.", state="resolved")
    assert title(alert, ENGLISH) == "[resolved] critical: late, stale data: weather has brought nothing."
    assert text(alert, ENGLISH).split("\n")[1:] == [
        "since 2024-03-11 06:00 UTC, alert a1b2c3",
        "diagnosis: data",
        "causes: weather_raw가 보류됨 (90%)",
        "about: weather, feature weather.temp",
        "owner: mia",
        "resolved: by mia",
        "runbook: docs/runbook.md#data",
    ]
