-- Forget ids that were handed out and tell the world what became of them: called after PostgreSQL has committed.
-- ARGV: prefix, length of the event stream, then triples: dispatch key, status, ids with a space between them (one long
-- argument is packed in a tenth of the time that as many short ones take).
-- An empty status makes no event: the id was a ghost, or its lease was lost.
local prefix, keep, removed = ARGV[1], ARGV[2], 0
for i = 3, #ARGV, 3 do
  local running, status = prefix .. 'task:running:' .. ARGV[i], ARGV[i + 1]
  for id in string.gmatch(ARGV[i + 2], '%S+') do
    removed = removed + redis.call('ZREM', running, id)
    if status ~= '' then
      redis.call('XADD', prefix .. 'task:completed', 'MAXLEN', '~', keep, '*', 'task_id', id, 'status', status)
    end
  end
end
return removed
