-- Forget ids that were handed out and tell the world what became of them: called after PostgreSQL has committed.
-- ARGV: prefix, length of the event stream, then groups: dispatch key, n, then n pairs (id, status).
-- An empty status makes no event: the id was a ghost, or its lease was lost.
local prefix, keep, i, removed = ARGV[1], ARGV[2], 3, 0
while i <= #ARGV do
  local running, n = prefix .. 'task:running:' .. ARGV[i], tonumber(ARGV[i + 1])
  for j = i + 2, i + 1 + 2 * n, 2 do
    removed = removed + redis.call('ZREM', running, ARGV[j])
    if ARGV[j + 1] ~= '' then
      redis.call('XADD', prefix .. 'task:completed', 'MAXLEN', '~', keep, '*', 'task_id', ARGV[j], 'status', ARGV[j + 1])
    end
  end
  i = i + 2 + 2 * n
end
return removed
