-- Second part of every script of the router: what providers, campaigns and recipient domains have used.
--
-- router:use:{provider}:{span}      hash: buckets of time → messages, beside `last` (bucket) and `sum`. A span is covered
--   by its full buckets and the present one, all of which count: no span of this length, wherever it begins, ever holds
--   more than the budget, and the price is that the last bucket's length is waited for too.
-- router:pace:{provider}            hash: how fast it takes messages; `rate` only once it has asked for less
-- router:pace:{provider}/{domain}   hash: the same for a recipient domain through this provider
-- router:campaign:{campaign_id}     hash: token bucket of two seconds' worth
local SPANS = {
  {name = 'second', bucket = 100, count = 10},
  {name = 'minute', bucket = 5000, count = 12},
  {name = 'day', bucket = 3600000, count = 24},
}
local DAY, ENDLESS, SLOWEST, QUICKENING, FORGET = 86400000, 1e15, 0.1, 0.005, 3600000

local function use_key(name, span) return prefix .. 'router:use:' .. name .. ':' .. span.name end

-- Messages in the span that ends now; buckets that have left it are dropped.
local function used(name, span)
  local key, present = use_key(name, span), math.floor(now / span.bucket)
  local found = redis.call('HMGET', key, 'last', 'sum')
  local last, sum = tonumber(found[1] or nil), tonumber(found[2] or '0')
  if not last then return 0 end
  if present > last then
    if present - last > span.count then
      redis.call('DEL', key)
      return 0
    end
    for bucket = last - span.count, present - span.count - 1 do
      sum = sum - tonumber(redis.call('HGET', key, bucket) or '0')
      redis.call('HDEL', key, bucket)
    end
    redis.call('HSET', key, 'last', present, 'sum', sum)
  end
  return sum
end

-- Count messages in the span's present bucket, or in that of `at` if it is still there; `count` below 0 gives back.
local function count_use(name, span, count, at)
  local key, present = use_key(name, span), math.floor(now / span.bucket)
  local bucket = math.floor((at or now) / span.bucket)
  used(name, span)
  if bucket < present - span.count then return end
  if count < 0 then count = -math.min(-count, tonumber(redis.call('HGET', key, bucket) or '0')) end
  redis.call('HINCRBY', key, bucket, count)
  redis.call('HINCRBY', key, 'sum', count)
  redis.call('HSET', key, 'last', present)
  redis.call('PEXPIRE', key, span.bucket * (span.count + 2))
end

-- Milliseconds until the oldest messages leave the span.
local function freed_in(name, span)
  local key, present = use_key(name, span), math.floor(now / span.bucket)
  for bucket = present - span.count, present do
    if tonumber(redis.call('HGET', key, bucket) or '0') > 0 then
      return math.max(1, (bucket + span.count + 1) * span.bucket - now)
    end
  end
  return span.bucket
end

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
      local free = limit - used(name, span)
      if free <= 0 then return 0, freed_in(name, span), span.name end
      room = math.min(room, free)
    end
  end
  return room
end

local function pace_key(subject) return prefix .. 'router:pace:' .. subject end

local function pace(subject)
  local found = redis.call('HMGET', pace_key(subject), 'rate', 'have', 'at', 'hold', 'why', 'second', 'count', 'before',
                           'peak', 'slowed')
  return {rate = tonumber(found[1] or nil), have = tonumber(found[2] or '0'), at = tonumber(found[3] or '0'),
          hold = tonumber(found[4] or '0'), why = found[5] or 'throttled', second = tonumber(found[6] or '0'),
          count = tonumber(found[7] or '0'), before = tonumber(found[8] or '0'), peak = tonumber(found[9] or '0'),
          slowed = tonumber(found[10] or '0')}
end

-- How many messages a subject takes now; when none: 0, ms to wait, and why.
local function pace_room(p)
  if p.hold > now then return 0, p.hold - now, p.why end
  if not p.rate then return ENDLESS end
  local have = math.min(math.max(1, p.rate), p.have + (now - p.at) * p.rate / 1000)
  if have >= 1 then return math.floor(have + 1e-9) end
  return 0, math.ceil((1 - have) * 1000 / p.rate), 'throttled'
end

-- Count messages handed to a subject: what it took in a second is where a throttle begins to halve.
local function pay_pace(subject, p, count)
  local second, key = math.floor(now / 1000), pace_key(subject)
  if p.second ~= second then
    p.before, p.count, p.second = p.second == second - 1 and p.count or 0, 0, second
  end
  redis.call('HSET', key, 'second', second, 'count', p.count + count, 'before', p.before)
  if p.rate then
    local have = math.min(math.max(1, p.rate), p.have + (now - p.at) * p.rate / 1000)
    redis.call('HSET', key, 'have', tostring(have - count), 'at', now)
  end
  redis.call('PEXPIRE', key, p.rate and FORGET or 10000)
end

-- A subject has refused messages for now: half as fast, at most once a second; and not at all for `hold` ms, if it
-- said so.
local function slow(subject, hold, why)
  local p, key = pace(subject), pace_key(subject)
  if why == 'throttled' and now - p.slowed >= 1000 then
    local seen = p.rate or math.max(p.count, p.before, 1)
    redis.call('HSET', key, 'rate', tostring(math.max(SLOWEST, seen / 2)), 'have', 0, 'at', now, 'slowed', now)
    redis.call('HSET', key, 'peak', tostring(p.peak > 0 and p.peak or seen))
  end
  if hold > 0 then redis.call('HSET', key, 'hold', math.floor(now + hold), 'why', why) end
  redis.call('PEXPIRE', key, math.floor(math.max(FORGET, hold + 10000)))
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

local function campaign_key(id) return prefix .. 'router:campaign:' .. id end

-- How many messages a campaign's rate allows, and ms to the next; it begins with one, so that a flush allows no burst.
local function campaign_room(id, per_minute)
  local found = redis.call('HMGET', campaign_key(id), 'have', 'at')
  local have, at = tonumber(found[1] or '1'), tonumber(found[2] or now)
  have = math.min(math.max(1, per_minute / 30), have + (now - at) * per_minute / 60000)
  return math.floor(have + 1e-9), math.ceil(math.max(1, (1 - have) * 60000 / per_minute)), have
end

local function pay_campaign(id, have)
  redis.call('HSET', campaign_key(id), 'have', tostring(have), 'at', now)
  redis.call('PEXPIRE', campaign_key(id), FORGET)
end

