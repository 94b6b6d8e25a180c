/* ---
summary: The weather at the airport of departure, hour by hour.
key: origin
time: observed_at
known: observed_at
keep: 6h
fresh: 4h
owner: data_engineer
checks:
  - unique: [origin, observed_at]
  - not_null: [origin, observed_at]
  - humid between 0 and 100
  - wind_speed < 200
--- */
-- time_hour is in UTC and tells the two hours from one to two of 3 November apart; the local clock columns do not.
-- Hours are missing here and there, and all of them after 30 December 18:00: `keep` makes the features null six hours
-- later instead of letting the last evening's weather stand for the new year's.
select origin, time_hour as observed_at,
       temp, dewp, humid, wind_dir,
       case when wind_speed < 200 then wind_speed end as wind_speed,   -- miles an hour; Newark has 1,048 once
       wind_gust, precip, pressure, visib
from weather_raw
