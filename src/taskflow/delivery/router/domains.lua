-- Look at recipient domains without changing anything that matters: those with a limit, and those that asked for less.
--
-- request  limits: [[domain, budgets]]; most: of those that asked for less, the last
-- Returns  JSON: {limited: [{uses: [[span, limit, used]], wait, why}], in order; slowed: [[provider/domain, rate, wait, why]]}
local opened = tonumber(redis.call('GET', prefix .. 'router:generation') or '0')
local limited, slowed = {}, {}
for i, pair in ipairs(request.limits) do
  local _, ms, why = domain_room(pair[1], pair[2], opened)
  local uses = {}
  for _, span in ipairs(SPANS) do
    local limit = pair[2][span.name]
    if limit then uses[#uses + 1] = {span.name, limit, (used(domain_subject(pair[1]), span))} end
  end
  limited[i] = {uses = uses, wait = ms, why = why}
end
for _, subject in ipairs(redis.call('ZREVRANGE', SLOWED, 0, request.most - 1)) do
  local p = pace(subject)
  if p.rate or p.hold > now then
    local _, ms, why = pace_room(p)
    slowed[#slowed + 1] = {subject, p.rate or false, ms or false, why or false}
  else
    redis.call('ZREM', SLOWED, subject)
  end
end
return cjson.encode({limited = limited, slowed = slowed})
