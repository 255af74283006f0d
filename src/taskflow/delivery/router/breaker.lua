-- What every script of the router begins with: its request, its time, and the circuit breakers of providers.
--
-- ARGV  prefix of the keys, request as JSON; `now` in it (ms) is a test's clock, otherwise the time is Redis's own
-- router:provider:{provider}  hash: forced (by a person); state (closed when absent), since, reason, till (ms: open until
--   then), opens (in a row, for the growing time), good (probes); faults (in a row), began, seen, failed (the present
--   window); first (day of first use); failovers, refused:{what} (counts)
-- router:probes:{provider}    sorted set: tokens of probes under way; score = ms at which a token is given up for lost
--
-- task:completed             the event stream, of about `events` entries: each change of a breaker, for live views
--
-- Every decision is made here, atomically and on Redis's clock, so that all workers share one breaker and its probes.
local prefix, request = ARGV[1], cjson.decode(ARGV[2])
local time = redis.call('TIME')
local now = request.now or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local policy = request.policy or {}
local changes = {}

local function provider_key(name) return prefix .. 'router:provider:' .. name end
local function probes_key(name) return prefix .. 'router:probes:' .. name end

local breakers = {} -- those that this call has read

local function breaker(name)
  if breakers[name] then return breakers[name] end
  local found = redis.call('HMGET', provider_key(name), 'forced', 'state', 'till', 'opens', 'faults', 'began', 'seen',
                           'failed', 'first', 'reason')
  local b = {forced = found[1], state = found[2] or 'closed', till = tonumber(found[3] or '0'),
             opens = tonumber(found[4] or '0'), faults = tonumber(found[5] or '0'), began = tonumber(found[6] or '0'),
             seen = tonumber(found[7] or '0'), failed = tonumber(found[8] or '0'), first = tonumber(found[9] or nil),
             reason = found[10] or ''}
  breakers[name] = b
  return b
end

local function change(name, state, reason)
  redis.call('HSET', provider_key(name), 'state', state, 'since', now, 'reason', reason)
  breakers[name] = nil
  changes[#changes + 1] = {name, state, reason}
  redis.call('XADD', prefix .. 'task:completed', 'MAXLEN', '~', request.events, '*', 'topic', 'routes',
             'type', 'route.breaker', 'data', cjson.encode({route = name, state = state, reason = reason}))
end

-- Whether a provider may be given messages: 'closed' (any number) or 'probe' (one); else nil, ms to wait, and why.
local function admit(name, b)
  if b.forced == 'closed' then return 'closed' end
  if b.forced == 'open' then return nil, 30000, 'forced' end
  if b.state == 'closed' then return 'closed' end
  if b.state == 'open' then
    if now < b.till then return nil, b.till - now, 'open' end
    redis.call('HSET', provider_key(name), 'good', 0)
    change(name, 'half_open', 'Its time is over; it is probed.')
  end
  redis.call('ZREMRANGEBYSCORE', probes_key(name), '-inf', now)
  if redis.call('ZCARD', probes_key(name)) >= policy.probes then return nil, 1000, 'probing' end
  return 'probe'
end

-- Let nothing through for a time that doubles with each opening in a row, give or take a fifth.
local function open(name, b, reason)
  local span = math.min(policy.longest, policy.first * 2 ^ math.min(b.opens, 30)) * (0.8 + 0.4 * request.random)
  redis.call('HSET', provider_key(name), 'till', math.floor(now + span), 'opens', b.opens + 1, 'faults', 0, 'seen', 0,
             'failed', 0)
  redis.call('DEL', probes_key(name))
  change(name, 'open', reason)
end

-- What became of messages: `good` and `faults` of them, `trailing` faults after the last good one, and what is `certain`
-- after these. A breaker that is not closed hears probes only, and of those only the ones that nobody has given up for lost.
local function hear(name, report)
  local b, key = breaker(name), provider_key(name)
  if report.probe then
    if redis.call('ZREM', probes_key(name), report.probe) == 0 or b.state ~= 'half_open' then return end
    if report.faults > 0 then
      open(name, b, 'The probe failed: ' .. report.reason)
    elseif report.good > 0 and redis.call('HINCRBY', key, 'good', report.good) >= policy.good then
      redis.call('DEL', probes_key(name))
      redis.call('HSET', key, 'opens', 0)
      change(name, 'closed', 'Probes went well: ' .. policy.good .. '.')
    end
    return
  end
  if b.state ~= 'closed' or b.forced or report.good + report.faults == 0 then return end
  if now - b.began > policy.window then b.began, b.seen, b.failed = now, 0, 0 end
  b.seen, b.failed = b.seen + report.good + report.faults, b.failed + report.faults
  b.faults = report.good > 0 and report.trailing or b.faults + report.faults
  if report.certain ~= '' then
    open(name, b, report.certain .. ': ' .. report.reason)
  elseif b.faults >= policy.faults then
    open(name, b, b.faults .. ' faults in a row: ' .. report.reason)
  elseif report.faults > 0 and b.seen >= policy.volume and b.failed >= policy.ratio * b.seen then
    open(name, b, b.failed .. ' of ' .. b.seen .. ' messages met a fault: ' .. report.reason)
  else
    redis.call('HSET', key, 'faults', b.faults, 'began', b.began, 'seen', b.seen, 'failed', b.failed)
  end
end

