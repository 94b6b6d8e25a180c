-- Sends the bodies of a file, one a line, in turn; prints what wrk measured as one line of JSON.
-- wrk … -s rotate.lua URL -- BODIES [REQUESTS A SECOND]
local requests, at = {}, 0
local interval_s, due_s = 0, 0

function init(arguments)
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, body)
  end
  if arguments[2] then
    interval_s = 1 / tonumber(arguments[2])
    delay = wait
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

local ffi = require("ffi")
ffi.cdef("typedef struct { long s, us; } moment; int gettimeofday(moment *now, void *zone);")
local moment = ffi.new("moment")

-- Milliseconds until the next request is due on any connection: a steady stream, and no burst after a pause.
function wait()
  ffi.C.gettimeofday(moment, nil)
  local now_s = tonumber(moment.s) + tonumber(moment.us) / 1e6
  due_s = math.max(due_s + interval_s, now_s)
  return math.floor((due_s - now_s) * 1e3 + 0.5)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
