-- The departures of December, a month with snow and holidays. A version that was trained on a part of it has seen the
-- answers there: hold it against this set only when its training ended before.
select * from departures where sched_dep >= '2013-12-01' and sched_dep < '2014-01-01'
