-- What became of messages that were given out: breakers hear it, budgets get back what was not used, paces change.
--
-- request  policy, random; reports: [{provider, taken_at, good, faults, trailing, reason, probe, unused, failovers,
--          throttles: [[subject, ms, why]], quickened: [[subject, messages]]}]
-- Returns  JSON: changes
for _, report in ipairs(request.reports) do
  hear(report.provider, report)
  if report.unused > 0 then
    for _, span in ipairs(SPANS) do count_use(report.provider, span, -report.unused, report.taken_at) end
  end
  for _, throttle in ipairs(report.throttles) do slow(throttle[1], throttle[2], throttle[3]) end
  for _, pair in ipairs(report.quickened) do quicken(pair[1], pair[2]) end
  if report.failovers > 0 then redis.call('HINCRBY', provider_key(report.provider), 'failovers', report.failovers) end
end
return cjson.encode({changes = changes})
