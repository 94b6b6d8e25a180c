/* ---
summary: The examples. Will this departure leave more than 15 minutes late, or not at all? Asked two hours ahead.
key: [carrier, flight, origin, sched_dep]
time: asked_at
label: late
label_known: known_at
inputs: [origin, carrier, dest, sched_dep]
derive:
  hour: hour(sched_dep)
  minute: minute(sched_dep)
  dow: dayofweek(sched_dep)
owner: data_scientist
checks:
  - unique
  - not_null: [carrier, flight, origin, dest, sched_dep, asked_at, known_at, late]
  - asked_at < sched_dep and sched_dep < known_at
--- */
-- tailnum is carried: a request brings it to look the aircraft up, and the model is never fed with it.
-- No month among the derived: the month to come is one that the model has never seen.
select carrier, flight, origin, sched_dep, dest, tailnum,
       sched_dep - interval 2 hour as asked_at,
       late, known_at
from flights
