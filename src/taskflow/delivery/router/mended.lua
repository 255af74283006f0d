-- A provider may work again: its settings have changed, or a test of its connection went well. What was learnt of it no
-- longer holds: a breaker that is not closed is probed in `after` ms, and what it had asked to wait for is forgotten.
--
-- request  name; after: ms until everybody sends by the new settings; reason
-- Returns  JSON: changes
local name, key = request.name, provider_key(request.name)
redis.call('DEL', pace_key(name), probes_key(name))
if breaker(name).state == 'closed' then
  redis.call('HSET', key, 'faults', 0, 'seen', 0, 'failed', 0)
else
  redis.call('HSET', key, 'till', now + request.after, 'opens', 0)
  change(name, 'open', request.reason)
end
return #changes > 0 and cjson.encode(changes) or '[]'
