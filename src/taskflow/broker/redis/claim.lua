-- Hand out ids in order, or park the consumer until there are some.
-- ARGV: prefix, consumer, lease in ms, limit, default quota, queues (comma separated, empty = every queue),
--       then pairs (dispatch key, quota): what this consumer wants at most of that key (0 = none of it now).
-- Returns {state, wait in ms, key, n, id … id, key, n, id …}; state: 'OK', 'EMPTY' (parked) or 'NOGEN'.
--
-- Fairness: keys are served in order of virtual time, which advances by what they were given. A rated key pays a token
-- per id and sleeps in dispatch:throttled while it has none.
local prefix, consumer, lease, limit, quota = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('EXISTS', prefix .. 'dispatch:generation') == 0 then return {'NOGEN', 50} end
local ready, throttled = prefix .. 'dispatch:ready', prefix .. 'dispatch:throttled'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

redis.call('LREM', prefix .. 'dispatch:idle', 0, consumer)

local queues
if ARGV[6] ~= '' then
  queues = {}
  for name in string.gmatch(ARGV[6], '[^,]+') do queues[name] = true end
end
local quotas = {}
for i = 7, #ARGV, 2 do quotas[ARGV[i]] = tonumber(ARGV[i + 1]) end

for _, key in ipairs(redis.call('ZRANGEBYSCORE', throttled, '-inf', now)) do
  redis.call('ZREM', throttled, key)
  if redis.call('SISMEMBER', prefix .. 'dispatch:paused', key) == 0 then
    local first = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
    redis.call('ZADD', ready, first[2] or 0, key)
  end
end

-- Tokens that a rated key has now, at most `wanted`; an unrated key has all it wants.
-- The bucket holds two seconds' worth (at least one token): no window of 60 s exceeds the rate by more than that.
local function tokens(key, wanted)
  local rate = tonumber(redis.call('HGET', prefix .. 'dispatch:rates', key) or nil)
  if not rate then return wanted end
  local bucket = prefix .. 'dispatch:tokens:' .. key
  local state = redis.call('HMGET', bucket, 'have', 'at')
  local have, at = tonumber(state[1] or '0'), tonumber(state[2] or tostring(now))
  have = math.min(math.max(1, rate / 30), have + math.max(0, now - at) * rate / 60000)
  local granted = math.min(wanted, math.floor(have + 1e-9))
  have = have - granted
  redis.call('HSET', bucket, 'have', tostring(have), 'at', now)
  redis.call('PEXPIRE', bucket, 120000)
  if granted < wanted then
    redis.call('ZREM', ready, key)
    redis.call('ZADD', throttled, now + math.ceil((1 - have) * 60000 / rate), key)
  end
  return granted
end

-- The first 200 keys that this consumer may take from, looked for among the first 10,000: those of queues that nobody
-- serves now stay in front.
local mine, from = {}, 0
repeat
  local page = redis.call('ZRANGE', ready, from, from + 199)
  for _, key in ipairs(page) do
    if not queues or queues[string.match(key, '^[^/]+')] then mine[#mine + 1] = key end
  end
  from = from + 200
until #page < 200 or #mine >= 200 or from >= 10000

local function is_task(id)
  return #id == 36 and string.match(id, '^%x+%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$')
end

local reply, given = {'OK', 0}, 0
for _, key in ipairs(mine) do
  if given >= limit then break end
  local wanted = math.min(limit - given, quotas[key] or quota)
  if wanted > 0 then
    local queue = prefix .. 'task:queue:' .. key
    wanted = math.min(wanted, redis.call('ZCARD', queue))
    if wanted == 0 then
      redis.call('ZREM', ready, key)
    else
      local granted = tokens(key, wanted)
      if granted > 0 then
        local ids = redis.call('ZPOPMIN', queue, granted)
        local leases, place = {}, #reply + 2
        reply[#reply + 1] = key
        reply[#reply + 1] = 0
        for i = 1, #ids, 2 do
          if is_task(ids[i]) then -- what somebody else put there is dropped
            leases[#leases + 1] = now + lease
            leases[#leases + 1] = ids[i]
            reply[#reply + 1] = ids[i]
            reply[place] = reply[place] + 1
          end
        end
        if #leases > 0 then redis.call('ZADD', prefix .. 'task:running:' .. key, unpack(leases)) end
        given = given + reply[place]
        if redis.call('ZSCORE', ready, key) then redis.call('ZINCRBY', ready, granted, key) end
      end
    end
  end
end
if given > 0 then return reply end

redis.call('RPUSH', prefix .. 'dispatch:idle', consumer)
redis.call('PEXPIRE', prefix .. 'dispatch:idle', 60000)
local next = redis.call('ZRANGE', throttled, 0, 0, 'WITHSCORES')
return {'EMPTY', next[2] and math.max(1, tonumber(next[2]) - now) or 0}
