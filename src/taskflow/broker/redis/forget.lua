-- Forget ids that a claim was given but did not win in PostgreSQL: ghosts.
-- ARGV: prefix, deadline of that claim's leases, then pairs: dispatch key, ids with a space between them.
-- A lease with another deadline is not that claim's: somebody else has been given the id meanwhile, and counts.
local removed = 0
for i = 3, #ARGV, 2 do
  local running, gone = prefix .. 'task:running:' .. ARGV[i], 0
  for id in string.gmatch(ARGV[i + 1], '%S+') do
    if redis.call('ZSCORE', running, id) == ARGV[2] then gone = gone + redis.call('ZREM', running, id) end
  end
  if gone > 0 then leave(ARGV[i], gone) end
  removed = removed + gone
end
return removed
