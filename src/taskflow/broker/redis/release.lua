-- Put ids that were handed out back in line, under the score they had: a drain, a pause, a full child.
-- ARGV: prefix, then triples (dispatch key, score, id).
local queues = {}
for i = 2, #ARGV, 3 do
  local key, score, id = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  redis.call('ZADD', prefix .. 'task:queue:' .. key, 'NX', score, id)
  if redis.call('ZREM', prefix .. 'task:running:' .. key, id) == 1 then leave(key, 1) end
  if enlist(key) then queues[split(key)] = true end
end
for queue in pairs(queues) do wake(queue, 1) end
return 1
