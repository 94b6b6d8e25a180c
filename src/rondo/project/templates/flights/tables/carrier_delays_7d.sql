/* ---
summary: Share of a carrier's departures that left late, over seven days.
key: carrier
time: hour
known: known_at
keep: 7d
owner: data_engineer
checks:
  - late_rate between 0 and 1
  - not_null: [carrier, known_at]
--- */
with hourly as (
  select carrier, date_trunc('hour', sched_dep) as hour, count(*) as n, sum(late::int) as late
  from flights group by all
)
select carrier, hour, hour + interval 75 minute as known_at,
       sum(late) over w / sum(n) over w as late_rate, sum(n) over w as departures
from hourly
window w as (partition by carrier order by hour range between interval 167 hour preceding and current row)
