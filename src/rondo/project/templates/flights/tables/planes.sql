/* ---
summary: The registry of aircraft.
key: tailnum
owner: data_engineer
checks:
  - unique
  - seats > 0
--- */
-- Without time: a registry of one day, looked up as if it had always been so. It lacks the aircraft of 52,606 departures
-- (2,512 of them have no number at all); their features are null. `speed`, missing for 3,299 of 3,322, is left out.
select tailnum, year as built, type, manufacturer, model, engines, seats, engine
from planes_raw
