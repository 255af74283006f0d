-- Put ids that were handed out back in line, under the score they had: a drain, a pause, a full child.
-- ARGV: prefix, then triples (dispatch key, score, id).
local prefix = ARGV[1]
local ready, paused = prefix .. 'dispatch:ready', prefix .. 'dispatch:paused'
for i = 2, #ARGV, 3 do
  local key, score, id = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  redis.call('ZREM', prefix .. 'task:running:' .. key, id)
  redis.call('ZADD', prefix .. 'task:queue:' .. key, 'NX', score, id)
  if redis.call('SISMEMBER', paused, key) == 0 and not redis.call('ZSCORE', ready, key)
     and not redis.call('ZSCORE', prefix .. 'dispatch:throttled', key) then
    local first = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
    redis.call('ZADD', ready, first[2] or 0, key)
  end
end
local consumer = redis.call('LPOP', prefix .. 'dispatch:idle')
if consumer then
  redis.call('LPUSH', prefix .. 'dispatch:wake:' .. consumer, '1')
  redis.call('PEXPIRE', prefix .. 'dispatch:wake:' .. consumer, 60000)
end
return 1
