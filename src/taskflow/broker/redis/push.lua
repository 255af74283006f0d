-- Put ids in line and wake idle consumers that serve them.
-- ARGV: prefix, window, mode ('' or 'refill'), then pairs: dispatch key, and score:id of each task with a space between
-- them.
-- An id that already waits or runs is left as it is, so pushing twice is harmless.
-- A key grown past the window loses its tail to PostgreSQL and is marked in dispatch:overflow. From then on an id that
-- belongs behind the window's end is left to PostgreSQL too, else it would overtake the tail and hide it from the
-- refill, which goes on after the window's last id. Only the refill itself appends.
local window = tonumber(ARGV[2])
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
  local before = added
  for score, id in string.gmatch(ARGV[i + 1], '(%d+):(%S+)') do
    local place = tonumber(score)
    local behind = last and (place > last[1] or (place == last[1] and id > last[2]))
    if not behind and not redis.call('ZSCORE', running, id) then
      added = added + redis.call('ZADD', queue, 'NX', score, id)
    end
  end
  touched[key] = (touched[key] or 0) + added - before
end
for key, count in pairs(touched) do
  local line = prefix .. 'task:queue:' .. key
  local size = redis.call('ZCARD', line)
  if size > window * 1.2 then
    redis.call('ZREMRANGEBYRANK', line, window, -1)
    redis.call('SADD', prefix .. 'dispatch:overflow', key)
  end
  if size > 0 and enlist(key) then wake(split(key), count) end
end
return added
