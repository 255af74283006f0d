-- Begin a new life of the counters with what PostgreSQL knows, unless somebody else has just done so.
--
-- request  providers: [{name, forced, state, first, hours: [[hour, messages]], recent: messages of the last two minutes}]
-- Returns  JSON: 1, or 0 when the counters are there already
--
-- What was sent in the last minute is counted as if it were sent now. A breaker that was not closed begins half-open.
if redis.call('SET', prefix .. 'router:generation', now, 'NX') == false then return '0' end
for _, provider in ipairs(request.providers) do
  local key = provider_key(provider.name)
  redis.call('DEL', key, probes_key(provider.name))
  for _, span in ipairs(SPANS) do redis.call('DEL', use_key(provider.name, span)) end
  if provider.forced ~= '' then redis.call('HSET', key, 'forced', provider.forced) end
  if provider.first >= 0 then redis.call('HSET', key, 'first', provider.first) end
  if provider.state ~= 'closed' then
    redis.call('HSET', key, 'state', 'half_open', 'since', now, 'good', 0, 'reason', 'Restored after Redis was emptied.')
  end
  for _, pair in ipairs(provider.hours) do count_use(provider.name, SPANS[3], pair[2], pair[1]) end
  if provider.recent > 0 then count_use(provider.name, SPANS[2], provider.recent) end
end
return '1'
