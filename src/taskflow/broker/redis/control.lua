-- Change what a queue, a dispatch key or a subject may do. ARGV: prefix, verb, name, [argument].
--   pause · resume   a queue (all that waits in it), or a key of one
--   clear            forget a key's waiting ids
--   drop             forget a key: its waiting ids, its pause, and the limit of its part
--   limit            a subject's limit, packed as `concurrency rate weight aging` ('-': none); '' takes it away
local verb, name, argument = ARGV[2], ARGV[3], ARGV[4]

local function forget_waiting(key)
  local queue, _, part = split(key)
  redis.call('DEL', prefix .. 'task:queue:' .. key)
  redis.call('ZREM', READY .. ':' .. queue, key)
  redis.call('SREM', prefix .. 'dispatch:overflow', key)
  if part then redis.call('SREM', PARKED .. ':' .. part, key) end
end

if verb == 'limit' then
  if argument == '' then
    redis.call('HDEL', LIMITS, name)
    redis.call('DEL', prefix .. 'dispatch:tokens:' .. name)
  else
    redis.call('HSET', LIMITS, name, argument)
  end
  limited, limits = true, {}
  local task = string.match(name, '^(task:[^/]+/)%*$')
  local subjects = {name}
  if task then -- a key that its limit holds up has ids under way, or waits for a token
    for _, list in ipairs({redis.call('HKEYS', HELD), redis.call('ZRANGE', THROTTLED, 0, -1)}) do
      for _, subject in ipairs(list) do
        if string.sub(subject, 1, #task) == task then subjects[#subjects + 1] = subject end
      end
    end
  end
  for _, subject in ipairs(subjects) do
    redis.call('ZREM', THROTTLED, subject)
    unpark(subject, 100)
  end
  return 1
end

local queue, _, part = split(name)
if verb == 'pause' then
  redis.call('SADD', PAUSED, name)
  redis.call('ZREM', part and READY .. ':' .. queue or READY, name)
  if part then redis.call('SREM', PARKED .. ':' .. part, name) end
elseif verb == 'resume' then
  redis.call('SREM', PAUSED, name)
  if part and redis.call('EXISTS', prefix .. 'task:queue:' .. name) == 1 then
    enlist(name)
  elseif not part and redis.call('EXISTS', READY .. ':' .. queue) == 1 and redis.call('SISMEMBER', PARKED, queue) == 0
     and not redis.call('ZSCORE', READY, queue) then
    redis.call('ZADD', READY, present(READY), queue)
  end
  wake(queue, 100)
elseif verb == 'clear' then
  forget_waiting(name)
elseif verb == 'drop' then
  forget_waiting(name)
  redis.call('SREM', PAUSED, name)
  if part then
    redis.call('HDEL', LIMITS, part)
    redis.call('DEL', prefix .. 'dispatch:tokens:' .. part)
    redis.call('ZREM', THROTTLED, part)
  end
end
return 1
