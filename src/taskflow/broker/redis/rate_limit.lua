-- Sliding window, exact: no `window` of time ever holds more than `limit` admitted requests, however many processes ask.
--
-- KEYS[1]  rate_limit:{resource}:{identifier}      string: requests admitted in the last window, for people to read
-- KEYS[2]  rate_limit:{resource}:{identifier}:log  sorted set: one member an admitted request, scored by its time
-- ARGV     limit, window in microseconds
-- Returns  {admitted (1 or 0), requests left, microseconds until the oldest one leaves the window}
--
-- The time is Redis's own. A refused request is not counted: asking again does not make anybody wait longer.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - window)
local used = redis.call('ZCARD', KEYS[2])
local admitted = 0
if used < limit then
  local member, copy = string.format('%.0f', now), 0
  while redis.call('ZADD', KEYS[2], 'NX', now, member) == 0 do
    copy = copy + 1
    member = string.format('%.0f-%d', now, copy)
  end
  used, admitted = used + 1, 1
  redis.call('SET', KEYS[1], used, 'PX', math.ceil(window / 1000))
  redis.call('PEXPIRE', KEYS[2], math.ceil(window / 1000))
end
local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local wait = oldest[2] and (tonumber(oldest[2]) + window - now) or window
return { admitted, limit - used, wait }
