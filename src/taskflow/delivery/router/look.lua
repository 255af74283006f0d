-- Look at providers without changing anything that matters: what the state of a route is made of.
--
-- request  policy; routes: [{name, budgets}]
-- Returns  JSON: [{state, forced, reason, faults, first, today, uses: [[span, limit, used]], rate, wait, why, failovers,
--          refused: {what: count}}], in order
local opened = tonumber(redis.call('GET', prefix .. 'router:generation') or '0')
local found = {}
for r, route in ipairs(request.routes) do
  local b, p = breaker(route.name), pace(route.name)
  local ms, why, room, _
  if b.forced == 'open' then
    ms, why = 30000, 'forced'
  elseif b.forced ~= 'closed' and b.state == 'open' and now < b.till then
    ms, why = b.till - now, 'open'
  else
    room, ms, why = pace_room(p)
    if room > 0 then _, ms, why = budget_room(route.name, route.budgets, b, opened) end
  end
  local uses, refused = {}, {}
  for _, span in ipairs(SPANS) do
    local limit = limit_of(route.budgets, span, b.first)
    if limit < ENDLESS then uses[#uses + 1] = {span.name, limit, (used(route.name, span))} end
  end
  local all = redis.call('HGETALL', provider_key(route.name))
  for i = 1, #all, 2 do
    local what = string.match(all[i], '^refused:(.+)$')
    if what then refused[what] = tonumber(all[i + 1]) end
  end
  local state = b.state
  if state == 'open' and now >= b.till then state = 'half_open' end
  found[r] = {state = state, forced = b.forced or nil, reason = b.reason, faults = b.faults, first = b.first,
              today = math.floor(now / DAY), uses = uses, rate = p.rate, wait = ms, why = why,
              failovers = tonumber(redis.call('HGET', provider_key(route.name), 'failovers') or '0'), refused = refused}
end
return cjson.encode(found)
