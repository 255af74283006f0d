-- Begin or finish a new life of the dispatch. ARGV: prefix, verb, name of the generation, then what the verb takes.
--   begin    close the dispatch (claims answer NOGEN) and forget its state; lines and leases are unlinked by the caller;
--            the router's counters are as old as the rest, and are restored by whoever needs them next
--   emptied  the caller has unlinked them: nothing is handed out
--   hold     lease in ms, then pairs (dispatch key, ids with a space between them): ids that PostgreSQL calls RUNNING
--   publish  run id of the server: open it under the new name
-- Each answers 1; or 0 when a flush or another rebuild has come between.
local verb, name = ARGV[2], ARGV[3]
local rebuild = prefix .. 'dispatch:rebuild'
if verb == 'begin' then
  for _, key in ipairs({'generation', 'ready', 'paused', 'parked', 'overflow', 'limits', 'throttled', 'idle'}) do
    redis.call('UNLINK', prefix .. 'dispatch:' .. key)
  end
  redis.call('UNLINK', prefix .. 'router:generation')
  redis.call('SET', rebuild, name)
  return 1
end
if redis.call('GET', rebuild) ~= name then return 0 end
if verb == 'emptied' then
  redis.call('UNLINK', HELD)
elseif verb == 'hold' then
  for i = 5, #ARGV, 2 do
    local running, added = prefix .. 'task:running:' .. ARGV[i], 0
    for id in string.gmatch(ARGV[i + 1], '%S+') do
      added = added + redis.call('ZADD', running, 'NX', now + tonumber(ARGV[4]), id)
    end
    if added > 0 then enter(ARGV[i], added) end
  end
elseif verb == 'publish' then
  redis.call('SET', prefix .. 'dispatch:generation', name)
  redis.call('SET', prefix .. 'dispatch:server', ARGV[4])
  redis.call('SET', prefix .. 'dispatch:opened', now)
  redis.call('DEL', rebuild)
end
return 1
