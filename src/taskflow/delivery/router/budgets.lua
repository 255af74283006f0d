-- Second part of every script of the router: what providers and recipient domains have used.
--
-- router:use:{subject}:{span}       hash: buckets of time → messages, of a provider, or of a recipient domain that has a
--   limit (@domain). A span is covered by its full buckets and the present one, all of which count: no span of this
--   length, wherever it begins, ever holds more than the budget, and the price is that the last bucket's length is waited
--   for too.
-- router:took:{second}              hash: provider, or provider/domain → messages handed to it in this second
-- router:pace:{provider}            hash: how fast it takes messages; only once it has asked for less
-- router:pace:{provider}/{domain}   hash: the same for a recipient domain through this provider
-- router:slowed                     sorted set: the last of these {provider}/{domain}, for people; score = ms at which it asked
--
-- Most providers and domains have never asked for less: one EXISTS says so for all of a window.
local SPANS = {
  {name = 'second', bucket = 100, count = 10},
  {name = 'minute', bucket = 5000, count = 12},
  {name = 'day', bucket = 3600000, count = 24},
}
local DAY, ENDLESS, SLOWEST, QUICKENING, FORGET = 86400000, 1e15, 0.1, 0.005, 3600000
local SLOWED, MOST_SLOWED = prefix .. 'router:slowed', 10000

local function use_key(name, span) return prefix .. 'router:use:' .. name .. ':' .. span.name end

-- Messages in the span that ends now, and its oldest bucket with any.
local function used(name, span)
  local from, sum, oldest = math.floor(now / span.bucket) - span.count, 0, nil
  local all = redis.call('HGETALL', use_key(name, span))
  for i = 1, #all, 2 do
    local bucket, count = tonumber(all[i]), tonumber(all[i + 1])
    if bucket and bucket >= from and count > 0 then
      sum, oldest = sum + count, math.min(oldest or bucket, bucket)
    end
  end
  return sum, oldest
end

-- Count messages in the span's present bucket, or in that of `at` if it is still there; `count` below 0 gives back.
-- Whoever begins a bucket drops those that have left the span.
local function count_use(name, span, count, at)
  local key, from = use_key(name, span), math.floor(now / span.bucket) - span.count
  local bucket = math.floor((at or now) / span.bucket)
  if bucket < from then return end
  if count < 0 then count = -math.min(-count, tonumber(redis.call('HGET', key, bucket) or '0')) end
  if count == 0 then return end
  if redis.call('HINCRBY', key, bucket, count) > count then return end
  for _, other in ipairs(redis.call('HKEYS', key)) do
    if (tonumber(other) or 0) < from then redis.call('HDEL', key, other) end
  end
  redis.call('PEXPIRE', key, span.bucket * (span.count + 2))
end

-- Milliseconds until a bucket leaves the span.
local function freed_in(span, bucket) return math.max(1, (bucket + span.count + 1) * span.bucket - now) end

-- The budget of a span: on a day of the warm-up the smaller of its step and the day's.
local function limit_of(budgets, span, first)
  local limit = budgets[span.name] or ENDLESS
  if span.name ~= 'day' or #budgets.warm_up == 0 then return limit end
  local step = budgets.warm_up[math.floor(now / DAY) - (first or math.floor(now / DAY)) + 1]
  return math.min(limit, step or ENDLESS)
end

-- How many messages a provider's budgets allow; when none: 0, ms to wait, and which. What was used in the second before
-- the counters were restored is not known: it is waited for.
local function budget_room(name, budgets, b, opened)
  local room = ENDLESS
  if budgets.second and now - opened < 1100 then return 0, opened + 1100 - now, 'second' end
  for _, span in ipairs(SPANS) do
    local limit = limit_of(budgets, span, b.first)
    if limit < ENDLESS then
      local sum, oldest = used(name, span)
      if sum >= limit then return 0, freed_in(span, oldest), span.name end
      room = math.min(room, limit - sum)
    end
  end
  return room
end

local function domain_subject(domain) return '@' .. domain end

-- The same for a recipient domain with a limit, over all providers.
local function domain_room(domain, limits, opened) return budget_room(domain_subject(domain), limits, {}, opened) end

local function pace_key(subject) return prefix .. 'router:pace:' .. subject end

-- Whether any of these subjects has asked for less.
local function any_slowed(subjects)
  local keys = {}
  for i, subject in ipairs(subjects) do keys[i] = pace_key(subject) end
  return #keys > 0 and redis.call('EXISTS', unpack(keys)) > 0
end

local function pace(subject)
  local found = redis.call('HMGET', pace_key(subject), 'rate', 'have', 'at', 'hold', 'why', 'peak', 'slowed')
  return {rate = tonumber(found[1] or nil), have = tonumber(found[2] or '0'), at = tonumber(found[3] or '0'),
          hold = tonumber(found[4] or '0'), why = found[5] or 'throttled', peak = tonumber(found[6] or '0'),
          slowed = tonumber(found[7] or '0')}
end

local function tokens(p) return math.min(math.max(1, p.rate), p.have + (now - p.at) * p.rate / 1000) end

-- How many messages a subject takes now; when none: 0, ms to wait, and why.
local function pace_room(p)
  if p.hold > now then return 0, p.hold - now, p.why end
  if not p.rate then return ENDLESS end
  local have = tokens(p)
  if have >= 1 then return math.floor(have + 1e-9) end
  return 0, math.ceil((1 - have) * 1000 / p.rate), 'throttled'
end

-- Take messages from the tokens of a slowed subject.
local function pay_pace(subject, p, count)
  if not p.rate then return end
  p.have, p.at = tokens(p) - count, now
  redis.call('HSET', pace_key(subject), 'have', tostring(p.have), 'at', now)
  redis.call('PEXPIRE', pace_key(subject), FORGET)
end

local function took_key(second) return prefix .. 'router:took:' .. second end

-- Note messages handed to a subject: what it took in a second is where a throttle begins to halve.
local function note_took(subject, count)
  local key = took_key(math.floor(now / 1000))
  if redis.call('HINCRBY', key, subject, count) == count then redis.call('PEXPIRE', key, 10000) end
end

local function took(subject)
  local second = math.floor(now / 1000)
  local present, before = redis.call('HGET', took_key(second), subject), redis.call('HGET', took_key(second - 1), subject)
  return math.max(tonumber(present or '0'), tonumber(before or '0'), 1)
end

-- A subject has refused messages for now: half as fast, at most once a second; and not at all for `hold` ms, if it
-- said so.
local function slow(subject, hold, why)
  local p, key = pace(subject), pace_key(subject)
  if why == 'throttled' and now - p.slowed >= 1000 then
    local seen = p.rate or took(subject)
    redis.call('HSET', key, 'rate', tostring(math.max(SLOWEST, seen / 2)), 'have', 0, 'at', now, 'slowed', now)
    redis.call('HSET', key, 'peak', tostring(p.peak > 0 and p.peak or seen))
  end
  if hold > 0 then redis.call('HSET', key, 'hold', math.floor(now + hold), 'why', why) end
  redis.call('PEXPIRE', key, math.floor(math.max(FORGET, hold + 10000)))
  if string.find(subject, '/', 1, true) then
    redis.call('ZADD', SLOWED, now, subject)
    redis.call('ZREMRANGEBYRANK', SLOWED, 0, -MOST_SLOWED - 1)
    redis.call('PEXPIRE', SLOWED, DAY)
  end
end

-- A slowed subject took messages: half a per cent faster each, and free again at twice what it took before.
local function quicken(subject, count)
  local p, key = pace(subject), pace_key(subject)
  if not p.rate then return end
  local rate = p.rate * (1 + QUICKENING) ^ count
  if rate >= 2 * p.peak then
    redis.call('DEL', key)
  else
    redis.call('HSET', key, 'rate', tostring(rate))
    redis.call('PEXPIRE', key, FORGET)
  end
end

