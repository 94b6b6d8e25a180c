/* ---
summary: Share of departures from an airport that left late, over three hours.
key: origin
time: hour                # when it happened
known: known_at           # when it became known
keep: 6h
owner: data_engineer
checks:
  - late_rate between 0 and 1
  - not_null: [origin, known_at]
--- */
with hourly as (
  select origin, date_trunc('hour', sched_dep) as hour, count(*) as n, sum(late::int) as late
  from flights group by all
)
select origin, hour, hour + interval 75 minute as known_at,   -- the last flight of the hour, 15 minutes past schedule
       sum(late) over w / sum(n) over w as late_rate, sum(n) over w as departures
from hourly
window w as (partition by origin order by hour range between interval 2 hour preceding and current row)
