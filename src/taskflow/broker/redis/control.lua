-- Change what a dispatch key may do. ARGV: prefix, verb, dispatch key, [argument].
--   pause · resume · drop (forget its waiting ids) · rate (argument: dispatches per minute, '' = unlimited)
local prefix, verb, key, argument = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local ready, paused = prefix .. 'dispatch:ready', prefix .. 'dispatch:paused'
if verb == 'pause' then
  redis.call('SADD', paused, key)
  redis.call('ZREM', ready, key)
  redis.call('ZREM', prefix .. 'dispatch:throttled', key)
elseif verb == 'resume' then
  redis.call('SREM', paused, key)
  if redis.call('ZCARD', prefix .. 'task:queue:' .. key) > 0 then
    local first = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
    redis.call('ZADD', ready, 'NX', first[2] or 0, key)
  end
elseif verb == 'drop' then
  redis.call('DEL', prefix .. 'task:queue:' .. key, prefix .. 'dispatch:tokens:' .. key)
  redis.call('ZREM', ready, key)
  redis.call('ZREM', prefix .. 'dispatch:throttled', key)
  redis.call('SREM', prefix .. 'dispatch:overflow', key)
  redis.call('SREM', paused, key)
  redis.call('HDEL', prefix .. 'dispatch:rates', key)
elseif verb == 'rate' then
  if argument == '' then
    redis.call('HDEL', prefix .. 'dispatch:rates', key)
    redis.call('DEL', prefix .. 'dispatch:tokens:' .. key)
  else
    redis.call('HSET', prefix .. 'dispatch:rates', key, argument)
  end
  if redis.call('ZREM', prefix .. 'dispatch:throttled', key) == 1 and redis.call('SISMEMBER', paused, key) == 0 then
    redis.call('ZADD', ready, 'NX', 0, key)
  end
end
if verb ~= 'pause' and verb ~= 'drop' then
  local consumer = redis.call('LPOP', prefix .. 'dispatch:idle')
  if consumer then
    redis.call('LPUSH', prefix .. 'dispatch:wake:' .. consumer, '1')
    redis.call('PEXPIRE', prefix .. 'dispatch:wake:' .. consumer, 60000)
  end
end
return 1
