-- Forget ids that were handed out and tell the world what became of them: called after PostgreSQL has committed.
-- ARGV: prefix, generation and deadline of the leases ('' and 0: they are known to be ours), length of the event stream,
-- then triples: dispatch key, status, ids with a space between them (one long argument is packed in a tenth of the time
-- that as many short ones take).
-- An empty status makes no event. Ends are counted for each queue and minute.
local keep, removed, valid, ended = ARGV[4], 0, ours(ARGV[2], ARGV[3]), {}
for i = 5, #ARGV, 3 do
  local running, status, gone, ends = prefix .. 'task:running:' .. ARGV[i], ARGV[i + 1], 0, 0
  for id in string.gmatch(ARGV[i + 2], '%S+') do
    if valid then gone = gone + redis.call('ZREM', running, id) end
    if status ~= '' then
      ends = ends + 1
      redis.call('XADD', prefix .. 'task:completed', 'MAXLEN', '~', keep, '*', 'task_id', id, 'status', status)
    end
  end
  if gone > 0 then leave(ARGV[i], gone) end
  if ends > 0 and status ~= 'SCHEDULED' then
    local queue = split(ARGV[i])
    ended[queue] = (ended[queue] or 0) + ends
  end
  removed = removed + gone
end
for queue, ends in pairs(ended) do
  local count = prefix .. 'dispatch:ended:' .. queue .. ':' .. math.floor(now / 60000)
  redis.call('INCRBY', count, ends)
  redis.call('EXPIRE', count, 150)
end
return removed
