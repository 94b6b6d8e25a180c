from __future__ import annotations

import re
from pathlib import Path

import pytest

from rondo.errors import DeclarationError
from rondo.project.monitoring import Limit, Monitoring
from rondo.project.settings import read_settings

HEAD = '[project]\nname = "p"\n\n[monitoring]\n'


def test_without_a_section_one_false_alarm_a_month_is_taken(write) -> None:
    assert read_settings(write({"rondo.toml": HEAD})).monitoring == Monitoring(1.0, ())


def test_limits_are_read_as_they_are_written(write) -> None:
    written = HEAD + (
        "false_alarms = 0.5\n"
        'limits = ["null_share <= 20 % of weather.temp", "roc_auc>=.65 for late", "unseen_share < none of dest", '
        '"latency_p99_ms <= 5e1 of x-y for late"]\n'
    )
    assert read_settings(write({"rondo.toml": written})).monitoring == Monitoring(
        0.5,
        (
            Limit("null_share", "above", 0.2, "weather.temp"),
            Limit("roc_auc", "below", 0.65, None, "late"),
            Limit("unseen_share", "above", None, "dest"),
            Limit("latency_p99_ms", "above", 50.0, "x-y", "late"),
        ),
    )


def test_of_several_limits_the_one_that_says_most_counts() -> None:
    every, feature, model, both = (
        Limit("null_share", "above", n / 10, feature, model)
        for n, (feature, model) in enumerate([(None, None), ("temp", None), (None, "late"), ("temp", "late")])
    )
    monitoring = Monitoring(1.0, (every, feature, model, both))
    assert monitoring.limit("null_share", "temp", "late") == both
    assert monitoring.limit("null_share", "temp", "early") == feature
    assert monitoring.limit("null_share", "wind", "late") == model
    assert monitoring.limit("null_share", None, "early") == every
    assert monitoring.limit("unseen_share", "temp", "late") is None
    assert Monitoring(1.0, (both,)).limit("null_share", "temp", "early") is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("false_alarms = 0", "monitoring.false_alarms is 0"),
        ("false_alarms = 5", "monitoring.false_alarms is 5"),
        ("false_alarms = true", "monitoring.false_alarms is True"),
        ('false_alarms = "1"', "monitoring.false_alarms is '1'"),
        ("false_alarms = nan", "monitoring.false_alarms is nan"),
        ('limits = "log_lag_s <= 30"', "monitoring.limits is 'log_lag_s <= 30', not a list"),
        ('limits = ["log_lag_s = 30"]', "monitoring.limits has 'log_lag_s = 30', which is not a limit"),
        ('limits = ["log_lag_s <= 30 of"]', "which is not a limit"),
        ('limits = ["log_lag_s <= 1e999"]', "which is not a limit"),
        ("limits = [30]", "monitoring.limits has 30, which is not a limit"),
        ('limits = ["a <= 1", "b <= 1", "a >= 2"]', "monitoring.limits names a twice: 'a >= 2'"),
        ("alarms = 1", "monitoring.alarms is unknown; there are: false_alarms, limits"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(write, line: str, says: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_settings(write({"rondo.toml": HEAD + line + "\n"}))
    assert says in caught.value.message and (caught.value.file, caught.value.line) == ("rondo.toml", 5)


def test_the_settings_of_the_howto_are_ones(write) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "monitoring.md").read_text(encoding="utf-8")
    [written] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    monitoring = read_settings(write({"rondo.toml": '[project]\nname = "p"\n' + written})).monitoring
    assert len(monitoring.limits) == 3 and monitoring.limit("unseen_share", "tailnum", "late").limit is None
