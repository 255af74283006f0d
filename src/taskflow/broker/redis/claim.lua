-- Hand out ids in order, or park the consumer until there are some.
-- ARGV: prefix, consumer, lease in ms, limit, default quota, queues (comma separated: empty = every one, all
--       with a ! = every one but these),
--       then pairs (dispatch key, quota): what this consumer wants at most of that key (0 = none of it now).
-- Returns {state, wait in ms, generation, deadline of the leases, 1 if their number is limited, key, n, id … id, key, n, …};
-- state: 'OK', 'EMPTY' (parked) or 'NOGEN'.
--
-- Fairness: queues, and the keys of a queue, are served in order of virtual time, which advances by what they were given,
-- divided by their weight.
local consumer, lease, limit, quota, filter = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local generation = redis.call('GET', prefix .. 'dispatch:generation')
if not generation then return {'NOGEN', 50, '', 0, 0} end
local idle = filter == '' and consumer or consumer .. ' ' .. filter
redis.call('LREM', IDLE, 0, idle)

local quotas = {}
for i = 7, #ARGV, 2 do quotas[ARGV[i]] = tonumber(ARGV[i + 1]) end

for _, subject in ipairs(redis.call('ZRANGEBYSCORE', THROTTLED, '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', THROTTLED, subject)
  unpark(subject, 0)
end

-- The queues in line that this consumer serves, up to 200.
local function served()
  if filter == '' then return redis.call('ZRANGE', READY, 0, 199) end
  local found = {}
  if string.sub(filter, 1, 1) == '!' then
    for _, queue in ipairs(redis.call('ZRANGE', READY, 0, 199)) do
      if serves(filter, queue) then found[#found + 1] = queue end
    end
    return found
  end
  for name in string.gmatch(filter, '[^,]+') do
    local turn = redis.call('ZSCORE', READY, name)
    if turn then found[#found + 1] = {tonumber(turn), name} end
  end
  table.sort(found, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
  for i, queue in ipairs(found) do found[i] = queue[2] end
  return found
end

local function is_task(id)
  return #id == 36 and string.match(id, '^%x+%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$')
end

-- Take up to `count` ids off a line. With aging, an id has gained a level for each so many ms of waiting: the heads of
-- the ten levels are merged by birth + level * aging. What is no id of a task somebody else has put there; it is dropped.
local function take(line, count, aging)
  local found = {}
  if not aging then
    local popped = redis.call('ZPOPMIN', line, count)
    for i = 1, #popped, 2 do found[#found + 1] = popped[i] end
  else
    local heads = {}
    for level = 0, 9 do
      local from, to = string.format('%.0f', level * 1e14), string.format('(%.0f', (level + 1) * 1e14)
      local head = redis.call('ZRANGE', line, from, to, 'BYSCORE', 'LIMIT', 0, count, 'WITHSCORES')
      for i = 1, #head, 2 do
        heads[#heads + 1] = {tonumber(head[i + 1]) - level * 1e14 + level * aging * 1000, head[i]}
      end
    end
    table.sort(heads, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
    for i = 1, math.min(count, #heads) do found[i] = heads[i][2] end
    if #found > 0 then redis.call('ZREM', line, unpack(found)) end
  end
  local ids = {}
  for _, id in ipairs(found) do
    if is_task(id) then ids[#ids + 1] = id end
  end
  return ids
end

local deadline, given = now + lease, 0
local reply = {'OK', 0, generation, deadline, 0}

local function hand_out(key, count, aging)
  local ids = take(prefix .. 'task:queue:' .. key, count, aging)
  if #ids == 0 then return 0 end
  local leases = {}
  reply[#reply + 1] = key
  reply[#reply + 1] = #ids
  for _, id in ipairs(ids) do
    leases[#leases + 1] = deadline
    leases[#leases + 1] = id
    reply[#reply + 1] = id
  end
  enter(key, redis.call('ZADD', prefix .. 'task:running:' .. key, unpack(leases)))
  given = given + #ids
  return #ids
end

for _, queue in ipairs(served()) do
  if given >= limit then break end
  local whole, keys = 'queue:' .. queue, READY .. ':' .. queue
  local left, rule, taken = room(whole), limit_of(whole), 0
  if left < 1 then
    park(whole, queue)
  else
    for _, key in ipairs(redis.call('ZRANGE', keys, 0, 199)) do
      local wanted = math.min(limit - given, quotas[key] or quota, left - taken)
      if wanted > 0 then
        local _, _, part = split(key)
        wanted = math.min(wanted, redis.call('ZCARD', prefix .. 'task:queue:' .. key))
        local free = part and room(part) or wanted
        if wanted == 0 then
          redis.call('ZREM', keys, key)
        elseif free < 1 then
          park(part, queue, key)
        else
          local count = hand_out(key, math.min(wanted, free), rule and rule.aging)
          local own = limit_of(part)
          pay(whole, count)
          if part then pay(part, count) end
          if (rule and rule.concurrency) or (own and own.concurrency) then reply[5] = 1 end
          redis.call('ZADD', keys, 'XX', 'INCR', tostring(count / (own and own.weight or 1)), key)
          taken = taken + count
        end
      end
    end
    redis.call('ZADD', READY, 'XX', 'INCR', tostring(taken / (rule and rule.weight or 1)), queue)
    if redis.call('EXISTS', keys) == 0 then redis.call('ZREM', READY, queue) end
  end
end
if given > 0 then return reply end

redis.call('RPUSH', IDLE, idle)
redis.call('PEXPIRE', IDLE, 60000)
local next = redis.call('ZRANGE', THROTTLED, 0, 0, 'WITHSCORES')
return {'EMPTY', next[2] and math.max(1, tonumber(next[2]) - now) or 0, generation, 0, 0}
