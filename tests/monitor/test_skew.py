from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from rondo.features.signature import Column, Lookup, Signature
from rondo.monitor.skew import SKEW_SHARE, compared_of, measure_skew, skew_query
from rondo.monitor.windows import Window
from rondo.records.monitoring import Measurement
from rondo.sql.engine import connect

START = datetime(2024, 1, 1, tzinfo=UTC)
STAMP = pa.timestamp("us", "UTC")
WEATHER = Lookup(
    table="weather", prefix="weather", definition="d1", on=(("station", "origin"),), key_types=("VARCHAR",),
    columns=(Column(name="temp", type="DOUBLE"), Column(name="sky", type="VARCHAR"), Column(name="day", type="DATE")),
    time="hour", known="known", keep_s=7200,
)  # fmt: skip
PLANES = Lookup(
    table="planes", prefix="planes", definition="d2", on=(("tail", "tail"),), key_types=("VARCHAR",),
    columns=(Column(name="seats", type="INTEGER"),),
)  # fmt: skip
SIGNATURE = Signature(
    model="late", examples="visits", task="binary", timezone="UTC", key=(), time="asked", inputs=(),
    carried=(Column(name="origin", type="VARCHAR"), Column(name="tail", type="VARCHAR")), derived=(),
    lookups=(WEATHER, PLANES), label=Column(name="late", type="BOOLEAN"), label_known=None, classes=(False, True),
    fed=(
        Column(name="weather.temp", type="DOUBLE"), Column(name="weather.sky", type="VARCHAR"),
        Column(name="planes.seats", type="INTEGER"),
    ),
)  # fmt: skip
COLUMNS = {name: name for name in ("origin", "tail", "weather.temp", "weather.sky", "planes.seats")}


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


@pytest.fixture(scope="module")
def con():
    session = connect(timezone="UTC", threads=2)
    session.register("planes", pa.table({"tail": ["N1", "N2"], "seats": [100, 200]}))
    yield session
    session.close()


def weather(con, *rows: tuple[float, float, float | None, str | None]) -> None:
    """Rows of one station: hour, known, temp, sky."""
    hour, known, temp, sky = zip(*rows, strict=True)
    con.register(
        "weather",
        pa.table(
            {
                "station": ["JFK"] * len(rows),
                "hour": pa.array(map(at, hour), STAMP),
                "known": pa.array(map(at, known), STAMP),
                "temp": pa.array(temp, pa.float64()),
                "sky": pa.array(sky, pa.string()),
                "day": [START.date()] * len(rows),
            }
        ),
    )


def answered(con, *rows: dict) -> None:
    plain = {
        "role": "production", "version": "late@1", "origin": "JFK", "tail": "N1",
        "weather.temp": 20.0, "weather.sky": "clear", "planes.seats": 100,
    }  # fmt: skip
    given = [plain | {"id": f"{n:04}", "at": row["moment"]} | row for n, row in enumerate(rows)]
    names = ["id", "role", "version", "moment", "at", *COLUMNS]
    types = {"moment": STAMP, "at": STAMP, "weather.temp": pa.float64(), "planes.seats": pa.int64()}
    con.register("p", pa.table({n: pa.array([row[n] for row in given], types.get(n, pa.string())) for n in names}))


def compared(con, **more):
    given = {
        "relations": {"weather": "weather", "planes": "planes"}, "columns": COLUMNS, "since": START, "until": at(48),
        "timezone": "UTC", "landed": {"planes": START}, **more,
    }  # fmt: skip
    return compared_of(con.sql(skew_query(SIGNATURE, 1, "p", given.pop("relations"), **given)).to_arrow_table())


def told(con, **more) -> dict[str, list[float]]:
    return {name: differs.tolist() for name, differs in compared(con, **more).differs.items()}


def shares(con, *windows: Window, **more) -> dict[str, Measurement]:
    found = measure_skew(SIGNATURE, 1, compared(con, **more), windows or [Window(START, at(24))], timezone="UTC")
    return {m.feature: m for m in found}


def test_what_was_answered_with_is_what_the_join_finds(con) -> None:
    weather(con, (0, 0.5, 20.0, "clear"), (1, 1.5, 21.0, None))
    answered(con, {"moment": at(1)}, {"moment": at(2), "weather.temp": 21.0, "weather.sky": None})
    assert told(con) == {"weather.temp": [0, 0], "weather.sky": [0, 0], "planes.seats": [0, 0]}


def test_another_value_a_value_too_many_and_one_too_few_differ(con) -> None:
    weather(con, (0, 0.5, 20.0, "clear"), (1, 1.5, None, "rain"))
    answered(
        con,
        {"moment": at(1), "weather.temp": 36.0, "weather.sky": "clear"},
        {"moment": at(2), "weather.temp": 20.0, "weather.sky": "rain", "planes.seats": None},
        {"moment": at(2.1), "weather.temp": None, "weather.sky": None, "tail": "N2"},
    )
    assert told(con) == {"weather.temp": [1, 1, 0], "weather.sky": [0, 0, 1], "planes.seats": [0, 1, 1]}


def test_a_revision_that_became_known_later_is_no_skew_and_a_row_that_landed_late_is(con) -> None:
    answered(con, {"moment": at(1)})
    weather(con, (0, 0.5, 20.0, "clear"), (0, 3, 25.0, "clear"))
    assert told(con)["weather.temp"] == [0]
    weather(con, (0, 0.5, 20.0, "clear"), (0.5, 0.9, 25.0, "clear"))
    assert told(con)["weather.temp"] == [1]


def test_what_is_too_old_reads_as_null(con) -> None:
    weather(con, (0, 0.5, 20.0, "clear"))
    answered(con, {"moment": at(2)}, {"moment": at(3)}, {"moment": at(3.1), "weather.temp": None})
    assert told(con)["weather.temp"] == [0, 1, 0]


def test_numbers_are_the_same_in_every_type(con) -> None:
    weather(con, (0, 0.5, 0.1 + 0.2, "clear"))
    answered(con, {"moment": at(1), "weather.temp": 0.3}, {"moment": at(1.1), "weather.temp": 0.3000001})
    assert told(con)["weather.temp"] == [0, 1]


def test_a_table_without_time_is_compared_since_it_landed(con) -> None:
    weather(con, (0, 0.5, 20.0, "clear"))
    answered(con, {"moment": at(1), "planes.seats": 7}, {"moment": at(2), "planes.seats": 7})
    later = compared(con, landed={"planes": at(1.5)}).differs["planes.seats"]
    assert later[1] == 1 and later[0] != later[0]
    assert "planes.seats" not in told(con, landed={}) and "weather.temp" not in told(
        con, relations={"planes": "planes"}
    )


def test_a_share_has_an_interval_and_says_how_many_rows_it_saw(con) -> None:
    weather(con, (0, 0.5, 20.0, "clear"), (24, 24.5, 20.0, "clear"))
    rows = [{"moment": at(1), "weather.temp": 36.0 if n % 4 == 0 else 20.0} for n in range(40)]
    answered(
        con, *rows, {"moment": at(25)}, {"moment": at(0.9), "version": "late@2"}, {"moment": at(1), "role": "shadow"}
    )
    found = shares(con)
    skew = found["weather.temp"]
    assert (skew.metric, skew.value, skew.n, skew.rows, skew.unit) == (SKEW_SHARE, 0.25, 40, 40, "share")
    assert 0 < skew.low < 0.25 < skew.high < 0.5 and skew.higher_is_better is False and skew.model_version == 1
    assert found["planes.seats"].value == 0 and found["planes.seats"].high > 0
    assert shares(con, Window(at(24), at(48)))["weather.temp"].n == 1
    assert shares(con, Window(at(48), at(72))) == {}


def test_the_same_rows_are_sampled_each_day_whatever_else_is_asked(con) -> None:
    weather(con, (0, 0.5, 20.0, "clear"), (24, 24.5, 20.0, "clear"))
    answered(con, *({"moment": at(1 + day * 24 + n / 100)} for day in range(2) for n in range(50)))
    both, alone = compared(con, rows_a_day=10), compared(con, rows_a_day=10, since=at(24))
    assert len(both.event_us) == 20 and both.event_us[10:].tolist() == alone.event_us.tolist()


def test_nothing_answered_is_nothing_measured(con) -> None:
    weather(con, (0, 0.5, 20.0, "clear"))
    answered(con, {"moment": at(1), "role": "canary"})
    assert shares(con) == {}
