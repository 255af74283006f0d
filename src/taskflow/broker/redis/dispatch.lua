-- What every script of the dispatch begins with: who stands where in line, what a limit holds up, whom to wake.
--
-- A dispatch key is a queue's name, or `queue/part` for a part of it that waits by itself: `email/campaign:<id>`,
-- `images/task:resize/tenant-7`. There are two lines, both by virtual time: queues stand in dispatch:ready, the keys of
-- a queue in dispatch:ready:{queue}. So a queue that is paused or at its limit leaves one line, however many keys it has.
--
-- A limit belongs to a subject: `queue:<name>`, or a part, wherever it waits. What a limit holds up is parked: a queue in
-- dispatch:parked, a key in dispatch:parked:{subject}. It comes back when one of the subject's ids ends (`leave`), or when
-- its next token is due (dispatch:throttled).
--
-- dispatch:held counts the ids of each subject that are handed out. It changes only here, together with
-- task:running:{key}, which is why it cannot leak: it is the sum of their sizes.
local prefix = ARGV[1]
local READY, PAUSED, PARKED = prefix .. 'dispatch:ready', prefix .. 'dispatch:paused', prefix .. 'dispatch:parked'
local LIMITS, HELD, THROTTLED = prefix .. 'dispatch:limits', prefix .. 'dispatch:held', prefix .. 'dispatch:throttled'
local IDLE = prefix .. 'dispatch:idle'

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Whether a consumer with this filter serves a queue: '' every one, 'a,b' these, '!a,!b' every one but these.
local function serves(filter, queue)
  if filter == '' then return true end
  local left_out = string.sub(filter, 1, 1) == '!'
  local named = string.find(',' .. filter .. ',', (left_out and ',!' or ',') .. queue .. ',', 1, true) ~= nil
  return named ~= left_out
end

-- A key's queue, the queue as a subject, and the part as one (nil for a queue itself).
local function split(key)
  local slash = string.find(key, '/', 1, true)
  if not slash then return key, 'queue:' .. key, nil end
  local queue = string.sub(key, 1, slash - 1)
  return queue, 'queue:' .. queue, string.sub(key, slash + 1)
end

-- The limit of a subject, or nil: its own one, or that which its task has for each key (`task:<name>/*`).
local limited, limits = redis.call('EXISTS', LIMITS) == 1, {}
local limit_of
function limit_of(subject)
  if not limited or not subject then return nil end
  local known = limits[subject]
  if known == nil then
    local text = redis.call('HGET', LIMITS, subject)
    local task = not text and string.match(subject, '^task:[^/]+/')
    known = task and subject ~= task .. '*' and limit_of(task .. '*') or false
    if text then
      local concurrency, rate, weight, aging = string.match(text, '^(%S+) (%S+) (%S+) (%S+)$')
      known = {concurrency = tonumber(concurrency), rate = tonumber(rate), weight = tonumber(weight) or 1,
               aging = tonumber(aging)}
    end
    limits[subject] = known
  end
  return known or nil
end

local function held(subject)
  return tonumber(redis.call('HGET', HELD, subject) or '0')
end

-- Tokens of a rated subject. The bucket holds two seconds' worth, at least one: no window of 60 s exceeds the rate by more
-- than that. One that is not there has been filling since the dispatch was opened, so a flush allows no burst.
local function tokens(subject, rate)
  local state = redis.call('HMGET', prefix .. 'dispatch:tokens:' .. subject, 'have', 'at')
  local have, at = tonumber(state[1] or '0'), tonumber(state[2] or redis.call('GET', prefix .. 'dispatch:opened') or now)
  return math.min(math.max(1, rate / 30), have + math.max(0, now - at) * rate / 60000)
end

local function pay(subject, count)
  local limit = limit_of(subject)
  if limit and limit.rate then
    local bucket = prefix .. 'dispatch:tokens:' .. subject
    redis.call('HSET', bucket, 'have', tostring(tokens(subject, limit.rate) - count), 'at', now)
    redis.call('PEXPIRE', bucket, math.ceil(math.max(1, limit.rate / 30) * 60000 / limit.rate) + 60000)
  end
end

-- How many ids a subject lets go now.
local function room(subject)
  local limit = limit_of(subject)
  if not limit then return math.huge end
  local free = limit.concurrency and limit.concurrency - held(subject) or math.huge
  if limit.rate and free > 0 then free = math.min(free, math.floor(tokens(subject, limit.rate) + 1e-9)) end
  return free
end

-- The virtual time at which somebody joins a line: the present one, without a credit from an idle past.
local function present(line)
  return redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')[2] or 0
end

-- Put a key that has ids in line, unless it or its queue is paused or parked; tell whether its turn can come now.
local function enlist(key)
  local queue, _, part = split(key)
  if part and (redis.call('SISMEMBER', PAUSED, key) == 1 or redis.call('SISMEMBER', PARKED .. ':' .. part, key) == 1) then
    return false
  end
  local keys = READY .. ':' .. queue
  if not redis.call('ZSCORE', keys, key) then redis.call('ZADD', keys, present(keys), key) end
  if redis.call('ZSCORE', READY, queue) then return true end
  if redis.call('SISMEMBER', PAUSED, queue) == 1 or redis.call('SISMEMBER', PARKED, queue) == 1 then return false end
  redis.call('ZADD', READY, present(READY), queue)
  return true
end

-- Wake up to `count` idle consumers that serve a queue, the longest idle first. An entry is `consumer queue,queue`.
local function wake(queue, count)
  if count < 1 then return end
  for _, entry in ipairs(redis.call('LRANGE', IDLE, 0, 199)) do
    local consumer, served = string.match(entry, '^(%S+) ?(.*)$')
    if serves(served, queue) then
      redis.call('LREM', IDLE, 1, entry)
      redis.call('LPUSH', prefix .. 'dispatch:wake:' .. consumer, '1')
      redis.call('PEXPIRE', prefix .. 'dispatch:wake:' .. consumer, 60000)
      count = count - 1
      if count < 1 then return end
    end
  end
end

-- Take a key, or without one its whole queue, out of line: `subject` lets nothing go now.
local function park(subject, queue, key)
  if key then
    redis.call('ZREM', READY .. ':' .. queue, key)
    redis.call('SADD', PARKED .. ':' .. subject, key)
  else
    redis.call('ZREM', READY, queue)
    redis.call('SADD', PARKED, queue)
  end
  local limit = limit_of(subject)
  if limit.rate and not (limit.concurrency and held(subject) >= limit.concurrency) then
    local wait = math.ceil((1 - tokens(subject, limit.rate)) * 60000 / limit.rate)
    redis.call('ZADD', THROTTLED, now + math.max(1, wait), subject)
  end
end

-- Bring back what a subject held up, and wake up to `count` consumers for it.
local function unpark(subject, count)
  local queue = string.match(subject, '^queue:(.*)$')
  if queue then
    if redis.call('SREM', PARKED, queue) == 1 and redis.call('SISMEMBER', PAUSED, queue) == 0
       and redis.call('EXISTS', READY .. ':' .. queue) == 1 then
      redis.call('ZADD', READY, present(READY), queue)
      wake(queue, count)
    end
    return
  end
  local parked = redis.call('SMEMBERS', PARKED .. ':' .. subject)
  if #parked == 0 then return end
  redis.call('DEL', PARKED .. ':' .. subject)
  for _, key in ipairs(parked) do
    if redis.call('EXISTS', prefix .. 'task:queue:' .. key) == 1 and enlist(key) then wake(split(key), count) end
  end
end

-- Count ids of a key that are handed out.
local function enter(key, count)
  local _, queue, part = split(key)
  redis.call('HINCRBY', HELD, queue, count)
  if part then redis.call('HINCRBY', HELD, part, count) end
end

-- Ids of a key are handed out no longer: others may go.
local function leave(key, count)
  local _, queue, part = split(key)
  for _, subject in ipairs({queue, part}) do
    local left = redis.call('HINCRBY', HELD, subject, -count)
    if left <= 0 then redis.call('HDEL', HELD, subject) end
    local limit = limit_of(subject)
    if limit and limit.concurrency and left < limit.concurrency and not redis.call('ZSCORE', THROTTLED, subject) then
      unpark(subject, limit.concurrency - left)
    end
  end
end

-- Tell whether leases are still those that somebody was given: the same life of the dispatch, and not run out. After that,
-- an entry in a running set may be another's, and must go on counting.
local function ours(generation, deadline)
  return generation == '' or (now < tonumber(deadline) and redis.call('GET', prefix .. 'dispatch:generation') == generation)
end

