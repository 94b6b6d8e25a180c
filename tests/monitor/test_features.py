from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rondo.features.signature import Column, Signature
from rondo.monitor.features import References, measure_days, measure_trained, measure_weeks, references
from rondo.monitor.sketched import Days
from rondo.records.monitoring import Measurement
from rondo.stats.sketches import Sketch, sketch_numbers, sketch_values
from rondo.store.opening import open_store
from rondo.store.sketches import Mark, Sketched

MONDAY = date(2024, 1, 1)
FED = (Column(name="size", type="DOUBLE"), Column(name="shop", type="VARCHAR"))


def signature(task: str = "binary", classes: tuple[Any, ...] = (False, True)) -> Signature:
    return Signature(
        model="late", examples="visits", task=task, timezone="UTC", key=(), time="asked_at", inputs=FED, carried=(),
        derived=(), lookups=(), fed=FED, label=Column(name="late", type="BOOLEAN"), label_known=None, classes=classes,
    )  # type: ignore[arg-type]  # fmt: skip


def a_day(
    day: date | None,
    *,
    version: int = 1,
    rows: int = 200,
    shift: float = 0.0,
    nulls: int = 0,
    shops: str = "AB",
    seed: int = 0,
    **outputs: Sketch,
) -> Sketched:
    rng = np.random.default_rng([seed, (day or MONDAY).toordinal()])
    values = rng.normal(shift, 1, rows - nulls)
    named = [shops[n % len(shops)] for n in range(rows)]
    features = {"size": sketch_numbers(values, nulls=nulls), "shop": sketch_values(named)}
    given: dict[str, Sketch] = {
        "missing": sketch_values(["true"] * nulls + ["false"] * (rows - nulls)),
        "label": sketch_values(["true"] * (rows // 4) + ["false"] * (rows - rows // 4)),
        "score": sketch_numbers(rng.uniform(0, 1, rows)),
    }
    return Sketched(day, version, rows, features, given | outputs)


def days_of(tmp_path: Path, *given: Sketched, stored: dict[date, Mark] | None = None) -> Days:
    fresh: dict[date, list[Sketched]] = {}
    for each in given:
        assert each.day is not None
        fresh.setdefault(each.day, []).append(each)
    now = {day: Mark(sum(each.rows for each in parts), 1) for day, parts in fresh.items()}
    return Days("late", "UTC", now, stored or {}, fresh, open_store(tmp_path))


def trained(version: int = 1, task: str = "binary", classes: tuple[Any, ...] = (False, True)) -> References:
    """Ninety days like those of `a_day`."""
    before = [a_day(MONDAY - timedelta(days=n), seed=version) for n in range(90, 0, -1)]
    return references(signature(task, classes), before, before[-14:])


def named(found: Sequence[Measurement], metric: str, feature: str | None = None) -> Measurement:
    [one] = [each for each in found if each.metric == metric and each.feature == feature]
    return one


def test_a_quiet_day_is_told_with_intervals_and_what_was_examined(tmp_path: Path) -> None:
    found = measure_days(days_of(tmp_path, a_day(MONDAY)), lambda version: trained())
    assert [(each.metric, each.feature) for each in found] == [
        ("rows", None), ("rows_with_missing_inputs", None), ("flagged_share", None),
        *((metric, "size") for metric in ("null_share", "population_stability_index", "jensen_shannon", "null_shift",
                                          "wasserstein", "out_of_range_share")),
        *((metric, "shop") for metric in ("null_share", "population_stability_index", "jensen_shannon", "null_shift",
                                          "unseen_share")),
        *((f"score_{metric}", None) for metric in ("population_stability_index", "jensen_shannon", "wasserstein")),
    ]  # fmt: skip
    midnight = datetime(2024, 1, 1, tzinfo=UTC)
    for each in found:
        assert (each.start, each.end, each.rows) == (midnight, midnight + timedelta(days=1), 200)
        assert each.value is not None and each.low is not None and each.high is not None
        assert each.low <= each.value <= each.high and each.n == 200
        assert each.unit and each.model_version == 1 and each.state == "no limit"
    assert named(found, "rows").value == 200
    assert named(found, "flagged_share").value == 0.25
    assert named(found, "wasserstein", "size").low == 0


def test_what_moved_is_found_and_how_far(tmp_path: Path) -> None:
    day = a_day(MONDAY, shift=8.0, nulls=50, shops="ABC")
    found = measure_days(days_of(tmp_path, day), lambda version: trained())
    assert named(found, "null_share", "size").value == 0.25
    assert named(found, "rows_with_missing_inputs").value == 0.25
    shift = named(found, "null_shift", "size")
    assert shift.low is not None and shift.low > 0.1
    moved = named(found, "wasserstein", "size")
    assert moved.value == pytest.approx(8 / 1.349, rel=0.05) and moved.unit == "spreads"
    outside = named(found, "out_of_range_share", "size")
    assert (outside.value, outside.n) == (1.0, 150)
    unseen = named(found, "unseen_share", "shop")
    assert unseen.value == 66 / 200 and unseen.low is not None and unseen.low > 0.2
    for metric in ("population_stability_index", "jensen_shannon"):
        low = named(found, metric, "size").low
        assert low is not None and low > 0.3
        assert named(found, metric, "size").higher_is_better is False


def test_a_week_is_its_days_drawn_whole(tmp_path: Path) -> None:
    """Days that differ make a week less sure than its rows alone would."""
    week = [a_day(MONDAY + timedelta(days=n), nulls=[0, 100][n % 2]) for n in range(7)]
    found = measure_weeks(days_of(tmp_path, *week), lambda version: trained())
    share = named(found, "null_share", "size")
    assert share.value == pytest.approx(300 / 1400) and share.n == share.rows == 1400
    assert share.high is not None and share.low is not None
    assert share.high - share.low > 5 * 1.96 * 2 * np.sqrt(0.21 * 0.79 / 1400)
    assert share.end - share.start == timedelta(days=7)
    alike = measure_weeks(
        days_of(tmp_path, *(a_day(MONDAY + timedelta(days=n)) for n in range(7))), lambda v: trained()
    )
    none = named(alike, "null_share", "size")
    assert none.value == 0 and none.high is not None and 0 < none.high < 0.01  # days that agree prove no zero


def test_a_window_is_compared_with_the_version_that_answered_most_of_it(tmp_path: Path) -> None:
    asked: list[int] = []

    def of(version: int) -> References:
        asked.append(version)
        return trained(version)

    days = days_of(tmp_path, a_day(MONDAY, version=1, rows=40), a_day(MONDAY, version=2, rows=160))
    found = measure_days(days, of)
    assert asked == [2]
    assert {(each.rows, each.model_version) for each in found} == {(200, 2)}
    assert named(found, "null_share", "size").n == 200


def test_only_days_and_weeks_that_rows_came_to_are_measured(tmp_path: Path) -> None:
    monday, tuesday = a_day(MONDAY), a_day(MONDAY + timedelta(days=1))
    days = days_of(tmp_path, monday, tuesday, stored={MONDAY: Mark(300, 7)})  # rows only went from it
    found = measure_days(days, lambda version: trained())
    assert {each.start.date() for each in found} == {MONDAY + timedelta(days=1)}
    assert {each.rows for each in measure_weeks(days, lambda version: trained())} == {400}


def test_scores_of_several_classes_are_told_apart(tmp_path: Path) -> None:
    scores = {f"score of {name}": sketch_numbers(np.linspace(0, 1, 200)) for name in ("1", "b")}
    before = [a_day(MONDAY - timedelta(days=n), **scores) for n in range(14, 0, -1)]
    reference = references(signature("multiclass", (1, "b")), before, before)
    found = measure_days(days_of(tmp_path, a_day(MONDAY, **scores)), lambda version: reference)
    assert [(each.by, each.is_) for each in found if each.metric == "score_wasserstein"] == [
        ("class", 1),
        ("class", "b"),
    ]
    assert not [each for each in found if each.metric == "flagged_share"]


def test_a_label_that_is_a_number_is_counted_however_it_is_spelt(tmp_path: Path) -> None:
    for spelt in ("1", "1.0"):
        day = a_day(MONDAY, label=sketch_values([spelt] * 50 + ["0"] * 150))
        found = measure_days(days_of(tmp_path, day), lambda version: trained(classes=(0, 1)))
        assert named(found, "flagged_share").value == 0.25


def test_without_a_time_or_test_rows_there_is_still_a_reference(tmp_path: Path) -> None:
    reference = references(signature(), [a_day(None, rows=5_000)], [])
    found = measure_days(days_of(tmp_path, a_day(MONDAY, shift=3.0)), lambda version: reference)
    low = named(found, "wasserstein", "size").low
    assert low is not None and low > 1.5
    assert not [each for each in found if each.metric.startswith("score_")]


def test_training_days_are_history_of_features_before_the_first_answer() -> None:
    trained_days = [a_day(MONDAY + timedelta(days=n), nulls=n) for n in range(20)]
    until = MONDAY + timedelta(days=15)  # two weeks and a day
    found = measure_trained("late", 3, trained_days, trained(), timezone="UTC", until=until)
    starts = {each.start.date() for each in found}
    assert starts == {MONDAY + timedelta(days=n) for n in range(15)}
    assert {(each.model_version, each.low, each.high) for each in found} == {(3, None, None)}
    assert {each.feature for each in found} == {"size", "shop"}
    nulls = [each for each in found if (each.metric, each.feature) == ("null_share", "size")]
    assert [each.value for each in nulls[:15]] == [n / 200 for n in range(15)]
    assert [each.rows for each in nulls[15:]] == [1400, 1400]


def test_a_feature_that_changed_its_kind_examined_nothing(tmp_path: Path) -> None:
    day = a_day(MONDAY)
    day.features["size"] = sketch_values(["large", "small"])
    found = measure_days(days_of(tmp_path, day), lambda version: trained())
    for metric in ("null_share", "population_stability_index", "wasserstein"):
        assert named(found, metric, "size").state == "unexamined"
        assert named(found, metric, "size").n == 0


def test_the_same_days_give_the_same_measurements(tmp_path: Path) -> None:
    week = [a_day(MONDAY + timedelta(days=n), shift=0.2) for n in range(7)]
    first, again = (measure_weeks(days_of(tmp_path, *week), lambda version: trained()) for _ in range(2))
    assert first == again
