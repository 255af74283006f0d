-- What a process has to say, in one step: hear what became of messages, then choose and count who gets the next ones.
--
-- request  policy, random
--          reports: [{provider, taken_at, good, faults, trailing, certain, reason, probe, unused, failovers,
--            unused_to: [[recipient domain, messages]], throttles: [[subject, ms, why]], quickened: [[subject, messages]]}]
--          groups: [{routes: [{name, budgets}], the first to ask first; domains: [[recipient domain, messages, limits:
--            its own budgets, if it has any]]; probe: a token}]
-- Returns  JSON: nogen, when the counters have to be restored before anything is chosen; else now, changes,
--          first [names used for the first time], groups [{grants [[route, domain, messages, probe]],
--          waits [[domain, ms, why, route, reason]]}]
local opened = tonumber(redis.call('GET', prefix .. 'router:generation') or nil)
if #request.groups > 0 and not opened then return cjson.encode({nogen = true}) end
local first = {}

-- What became of messages: breakers hear it, budgets get back what was not used, paces change.
for _, report in ipairs(request.reports) do
  hear(report.provider, report)
  if report.unused > 0 then
    for _, span in ipairs(SPANS) do count_use(report.provider, span, -report.unused, report.taken_at) end
    for _, pair in ipairs(report.unused_to) do
      for _, span in ipairs(SPANS) do count_use(domain_subject(pair[1]), span, -pair[2], report.taken_at) end
    end
  end
  for _, throttle in ipairs(report.throttles) do slow(throttle[1], throttle[2], throttle[3]) end
  local subjects = {}
  for i, pair in ipairs(report.quickened) do subjects[i] = pair[1] end
  if any_slowed(subjects) then
    for _, pair in ipairs(report.quickened) do quicken(pair[1], pair[2]) end
  end
  if report.failovers > 0 then redis.call('HINCRBY', provider_key(report.provider), 'failovers', report.failovers) end
end

local function refused(name, why, count)
  redis.call('HINCRBY', provider_key(name), 'refused:' .. why, count)
end

-- Messages that differ in their recipients' domains only: who gets them, and what the others wait for. What is over
-- the limit of its domain is offered to nobody.
local function choose(group)
  local left, waits, grants, total = {}, {}, {}, 0
  for d, pair in ipairs(group.domains) do
    left[d] = pair[3] and math.min(pair[2], (domain_room(pair[1], pair[3], opened))) or pair[2]
    total = total + left[d]
    if pair[3] then pair.offered = left[d] end
  end

  -- Remember for a domain the shortest wait, and what it is for.
  local function note(d, ms, why, r, reason)
    if left[d] > 0 and (not waits[d] or ms < waits[d][2]) then waits[d] = {d, ms, why, r, reason or ''} end
  end

  -- Give what there is room for, domain by domain; `slowed`: one of them may have asked for less.
  local function give(r, name, probe, room, slowed)
    local given = 0
    for d, pair in ipairs(group.domains) do
      if left[d] > 0 and room > given then
        local subject = pair[1] ~= '' and name .. '/' .. pair[1] or nil
        local p = slowed and subject and pace(subject) or nil
        local free = p and pace_room(p) or ENDLESS
        local count = math.min(left[d], room - given, free)
        if count > 0 then
          if p then pay_pace(subject, p, count) end
          if subject then note_took(subject, count) end
          left[d], given = left[d] - count, given + count
          grants[#grants + 1] = {r, d, count, probe}
        end
        if left[d] > 0 and count == free then
          local _, ms, why = pace_room(p)
          note(d, ms or 1000, 'domain_' .. (why or 'throttled'), r)
          refused(name, 'domain', left[d])
        end
      end
    end
    return given
  end

  for r, route in ipairs(group.routes) do
    if total <= 0 then break end
    local name, b = route.name, breaker(route.name)
    local mode, ms, why = admit(name, b)
    local subjects, slowed, own, room = {name}, false, nil, 0
    if mode then
      for d, pair in ipairs(group.domains) do
        if left[d] > 0 and pair[1] ~= '' then subjects[#subjects + 1] = name .. '/' .. pair[1] end
      end
      slowed, room = any_slowed(subjects), ENDLESS
      if slowed then
        own = pace(name)
        room, ms, why = pace_room(own)
      end
      if room > 0 then
        local free
        free, ms, why = budget_room(name, route.budgets, b, opened)
        room = math.min(room, free)
      end
    end
    local given = 0
    if room > 0 then
      room = math.min(room, total, mode == 'probe' and 1 or ENDLESS)
      given = give(r, name, mode == 'probe' and group.probe or '', room, slowed)
      if given > 0 then
        for _, span in ipairs(SPANS) do count_use(name, span, given) end
        note_took(name, given)
        if own then pay_pace(name, own, given) end
        if mode == 'probe' then
          redis.call('ZADD', probes_key(name), now + policy.lost, group.probe)
          redis.call('PEXPIRE', probes_key(name), policy.lost)
        end
        if not b.first then
          b.first = math.floor(now / DAY)
          redis.call('HSET', provider_key(name), 'first', b.first)
          first[#first + 1] = name
        end
        total = total - given
      end
    end
    if total > 0 and (room <= 0 or given == room) then
      if room > 0 then
        -- It took what it had room for; what is left hears what it is that was used up.
        if mode == 'probe' then
          ms, why = 1000, 'probing'
        else
          local _
          _, ms, why = budget_room(name, route.budgets, b, opened)
          if not ms and own then _, ms, why = pace_room(own) end
        end
      end
      if ms then
        for d in ipairs(group.domains) do note(d, ms, why, r, b.reason) end
        refused(name, why, total)
      end
    end
  end

  local told = {}
  for d, pair in ipairs(group.domains) do
    if pair[3] then
      local given = pair.offered - left[d]
      for _, span in ipairs(SPANS) do count_use(domain_subject(pair[1]), span, given) end
      left[d] = pair[2] - given
      if left[d] > 0 then
        local _, ms, why = domain_room(pair[1], pair[3], opened)
        if ms then note(d, ms, 'domain_' .. why, 1) end
      end
    end
    if left[d] > 0 and waits[d] then told[#told + 1] = waits[d] end
  end
  return {grants = grants, waits = told}
end

local chosen = {}
for g, group in ipairs(request.groups) do chosen[g] = choose(group) end
return cjson.encode({now = now, groups = chosen, first = first, changes = changes})
