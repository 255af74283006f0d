-- Put ids that were handed out back in line, under the score they had: a drain, a pause, a full child.
-- ARGV: prefix, generation and deadline of the leases (see `settle`), then triples (dispatch key, score, id).
-- Leases that have run out meanwhile are somebody else's to put back.
if not ours(ARGV[2], ARGV[3]) then return 0 end
local queues = {}
for i = 4, #ARGV, 3 do
  local key, score, id = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  redis.call('ZADD', prefix .. 'task:queue:' .. key, 'NX', score, id)
  if redis.call('ZREM', prefix .. 'task:running:' .. key, id) == 1 then leave(key, 1) end
  if enlist(key) then queues[split(key)] = true end
end
for queue in pairs(queues) do wake(queue, 1) end
return 1
