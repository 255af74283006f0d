-- A provider may work again: a breaker that is not closed is probed in a moment, and its growing time begins anew. With
-- other settings it is perhaps another account: what it had asked to wait for is forgotten, too. Of one that a person has
-- switched off nothing is told: nothing is tried.
--
-- request  name; after: ms until everybody sends by the new settings; reason; is_other: its settings have changed
-- Returns  JSON: changes
local name, key = request.name, provider_key(request.name)
redis.call('DEL', probes_key(name))
if request.is_other then redis.call('DEL', pace_key(name)) end
if breaker(name).state == 'closed' then
  redis.call('HSET', key, 'faults', 0, 'seen', 0, 'failed', 0)
else
  redis.call('HSET', key, 'till', now + request.after, 'opens', 0)
  if breaker(name).forced ~= 'open' then change(name, 'open', request.reason) end
end
return #changes > 0 and cjson.encode(changes) or '[]'
