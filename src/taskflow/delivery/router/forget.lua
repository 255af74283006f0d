-- A provider has another name, or is gone: nothing that Redis knows of it may fall to whoever gets its name.
--
-- request  name; reopen: whether all counters are to be restored from PostgreSQL, where its use goes by the new name
-- Returns  nothing
redis.call('DEL', provider_key(request.name), probes_key(request.name), pace_key(request.name))
for _, span in ipairs(SPANS) do redis.call('DEL', use_key(request.name, span)) end
if request.reopen then redis.call('DEL', prefix .. 'router:generation') end
return 'null'
