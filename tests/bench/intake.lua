-- wrk's load for bench_intake.py. One event in three is an objection by SMS, the others are
-- consents; ids are unique to the run. @KEY@, @SIZE@ and @RUN@ are filled in.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer @KEY@"
local head = '","source":"/bench","specversion":"1.0","time":"2026-11-22T10:00:00Z","data":'
local function event(i)
  local contact = string.format('{"controller":"acme","contact":{"kind":"phone","value":"+39333%07d"},', i)
  if i % 3 == 0 then
    return '","type":"noli.objection.raised.v1' .. head .. contact .. '"channels":["sms"],"via":"sms_stop"}}'
  end
  return '","type":"noli.consent.given.v1' .. head .. contact ..
    '"purpose":"marketing","channels":["sms"],"consent_id":"c' .. i .. '","evidence":{"ref":"form-7"}}}'
end
local size, n, parts = @SIZE@, 0, {}
for i = 1, size do
  parts[i] = '-' .. i .. event(i + math.random(0, 9000000)) .. (i < size and ',{"id":"' or '')
end
request = function()
  n = n + 1
  local nonce = "@RUN@-" .. n
  local body = '{"id":"' .. nonce .. table.concat(parts, nonce)
  if size > 1 then body = '[' .. body .. ']' end
  return wrk.format(nil, "/v1/events", nil, body)
end
done = function(summary, latency)
  local bad = summary.errors.status + summary.errors.timeout + summary.errors.read
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, bad,
    latency:percentile(50), latency:percentile(99)))
end
