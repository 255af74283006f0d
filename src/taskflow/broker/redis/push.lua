-- Put ids in line and wake idle consumers.
-- KEYS: none beyond the prefix. ARGV: prefix, window, mode ('' or 'refill'), then pairs: dispatch key, and score:id of
-- each task with a space between them.
-- An id that already waits or runs is left as it is, so pushing twice is harmless.
-- A key grown past the window loses its tail to PostgreSQL and is marked in dispatch:overflow. From then on an id that
-- belongs behind the window's end is left to PostgreSQL too, else it would overtake the tail and hide it from the
-- refill, which goes on after the window's last id. Only the refill itself appends.
local prefix, window = ARGV[1], tonumber(ARGV[2])
local ready, paused = prefix .. 'dispatch:ready', prefix .. 'dispatch:paused'
local touched, ends, added = {}, {}, 0

-- Where an overflowing key's window ends: {score, id}; {-1, ''} when it is empty; false for a key that has room.
local function window_end(key)
  if ARGV[3] == 'refill' or redis.call('SISMEMBER', prefix .. 'dispatch:overflow', key) == 0 then return false end
  local last = redis.call('ZRANGE', prefix .. 'task:queue:' .. key, -1, -1, 'WITHSCORES')
  return {tonumber(last[2] or -1), last[1] or ''}
end

for i = 4, #ARGV, 2 do
  local key = ARGV[i]
  if ends[key] == nil then ends[key] = window_end(key) end
  local queue, running, last = prefix .. 'task:queue:' .. key, prefix .. 'task:running:' .. key, ends[key]
  for score, id in string.gmatch(ARGV[i + 1], '(%d+):(%S+)') do
    local place = tonumber(score)
    local behind = last and (place > last[1] or (place == last[1] and id > last[2]))
    if not behind and not redis.call('ZSCORE', running, id) then
      added = added + redis.call('ZADD', queue, 'NX', score, id)
    end
  end
  touched[key] = true
end
for key in pairs(touched) do
  local queue = prefix .. 'task:queue:' .. key
  local size = redis.call('ZCARD', queue)
  if size > window * 1.2 then
    redis.call('ZREMRANGEBYRANK', queue, window, -1)
    redis.call('SADD', prefix .. 'dispatch:overflow', key)
  end
  if size > 0 and redis.call('SISMEMBER', paused, key) == 0 and not redis.call('ZSCORE', ready, key)
     and not redis.call('ZSCORE', prefix .. 'dispatch:throttled', key) then
    -- a key that was empty starts at the present virtual time, not with a credit from its idle past
    local first = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
    redis.call('ZADD', ready, first[2] or 0, key)
  end
end
local waking = math.min(added, redis.call('LLEN', prefix .. 'dispatch:idle'))
for _ = 1, waking do
  local consumer = redis.call('LPOP', prefix .. 'dispatch:idle')
  if not consumer then break end
  redis.call('LPUSH', prefix .. 'dispatch:wake:' .. consumer, '1')
  redis.call('PEXPIRE', prefix .. 'dispatch:wake:' .. consumer, 60000)
end
return added
