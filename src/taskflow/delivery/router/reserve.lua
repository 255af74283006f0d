-- Choose and count, in one step: which provider each message of a window goes to.
--
-- request  policy; routes: [{name, budgets}], the first to ask first; domains: [[recipient domain, messages]];
--          campaign, per_minute (or neither); probe: a token
-- Returns  JSON: nogen, when the counters have to be restored first; else now, grants [[route, domain, messages, probe]],
--          waits [[domain, ms, why, route]], first [names used for the first time], changes
local opened = tonumber(redis.call('GET', prefix .. 'router:generation') or nil)
if not opened then return cjson.encode({nogen = true, now = now}) end

local left, waits, total = {}, {}, 0
for d, pair in ipairs(request.domains) do
  left[d], total = pair[2], total + pair[2]
end
local grants, first, campaign, have = {}, {}, ENDLESS, 0
local _, campaign_wait

-- Remember for a domain the shortest wait, and what it is for.
local function note(d, ms, why, r)
  if left[d] > 0 and (not waits[d] or ms < waits[d][2]) then waits[d] = {d, ms, why, r} end
end

local function refused(name, why, count)
  redis.call('HINCRBY', provider_key(name), 'refused:' .. why, count)
end

if request.campaign then
  campaign, campaign_wait, have = campaign_room(request.campaign, request.per_minute)
end

local function give(r, route, b, mode, room)
  local given = 0
  for d, pair in ipairs(request.domains) do
    if left[d] > 0 and room > given then
      local subject = route.name .. '/' .. pair[1]
      local p = pair[1] ~= '' and pace(subject) or nil
      local free, ms, why = ENDLESS, nil, nil
      if p then free, ms, why = pace_room(p) end
      local count = math.min(left[d], room - given, free)
      if count > 0 then
        if p then pay_pace(subject, p, count) end
        left[d], given = left[d] - count, given + count
        grants[#grants + 1] = {r, d, count, mode == 'probe' and request.probe or ''}
      end
      if left[d] > 0 and count == free then
        if not ms then
          p = pace(subject)
          _, ms, why = pace_room(p)
        end
        note(d, ms or 1000, 'domain_' .. (why or 'throttled'), r)
        refused(route.name, 'domain', left[d])
      end
    end
  end
  return given
end

for r, route in ipairs(request.routes) do
  local wanted = math.min(total, campaign)
  if wanted <= 0 then break end
  local b = breaker(route.name)
  local mode, ms, why = admit(route.name, b)
  local room, own = 0, nil
  if mode then
    own = pace(route.name)
    room, ms, why = pace_room(own)
    if room > 0 then
      local free
      free, ms, why = budget_room(route.name, route.budgets, b, opened)
      room = math.min(room, free)
    end
  end
  local given = 0
  if room > 0 then
    room = math.min(room, wanted, mode == 'probe' and 1 or ENDLESS)
    given = give(r, route, b, mode, room)
    if given > 0 then
      for _, span in ipairs(SPANS) do count_use(route.name, span, given) end
      pay_pace(route.name, own, given)
      if mode == 'probe' then
        redis.call('ZADD', probes_key(route.name), now + policy.lost, request.probe)
        redis.call('PEXPIRE', probes_key(route.name), policy.lost)
      end
      if not b.first then
        redis.call('HSET', provider_key(route.name), 'first', math.floor(now / DAY))
        first[#first + 1] = route.name
      end
      total, campaign, have = total - given, campaign - given, have - given
    end
  end
  if total > 0 and (room <= 0 or given == room) then
    if room > 0 then
      -- It took what it had room for; what is left hears what it is that was used up.
      if mode == 'probe' then
        ms, why = 1000, 'probing'
      else
        _, ms, why = budget_room(route.name, route.budgets, b, opened)
        if not ms then _, ms, why = pace_room(pace(route.name)) end
      end
    end
    if ms then
      for d in ipairs(request.domains) do note(d, ms, why, r) end
      refused(route.name, why, total)
    end
  end
end
if request.campaign then
  pay_campaign(request.campaign, have)
  if total > 0 and campaign <= 0 then
    _, campaign_wait = campaign_room(request.campaign, request.per_minute)
    for d in ipairs(request.domains) do
      if left[d] > 0 then waits[d] = {d, campaign_wait, 'campaign', 0} end
    end
  end
end

local told = {}
for d in ipairs(request.domains) do
  if left[d] > 0 and waits[d] then told[#told + 1] = waits[d] end
end
return cjson.encode({now = now, grants = grants, waits = told, first = first, changes = changes})
