/* ---
summary: Every departure that was planned, and whether it left late.
key: [carrier, flight, origin, sched_dep]
time: sched_dep           # when it happened
known: known_at           # when it became known
fresh: 36h
owner: data_engineer
checks:
  - unique
  - not_null: [carrier, flight, origin, dest, sched_dep, known_at, late]
  - origin in ('EWR', 'JFK', 'LGA')
  - row_count: {min: 1}
--- */
-- A row may hold only what is known at `known_at`. Fifteen minutes past schedule it is decided whether a flight left
-- late; how late in the end, whether it was cancelled (8,255 were: they have no delay) and when it landed are known only
-- afterwards. So these columns stop here, and `late` says: more than 15 minutes late, or not at all.
select carrier, flight, origin, dest,
       tailnum,                                     -- no number: 2,512 departures
       make_timestamp(year, month, day, sched_dep_time // 100, sched_dep_time % 100, 0)::timestamptz as sched_dep,
       sched_dep + interval 15 minute as known_at,
       dep_delay is null or dep_delay > 15 as late,
       distance
from flights_raw
