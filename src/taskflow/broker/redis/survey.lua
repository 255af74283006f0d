-- Look at lines. ARGV: prefix, then dispatch keys. Returns {waiting, birth in ms of the oldest (-1: none)} for each.
-- Within a priority the oldest stands first: ten looks find the oldest of all.
local found = {}
for i = 2, #ARGV do
  local line, oldest = prefix .. 'task:queue:' .. ARGV[i], -1
  local waiting = redis.call('ZCARD', line)
  for level = 0, waiting > 0 and 9 or -1 do
    local from, to = string.format('%.0f', level * 1e14), string.format('(%.0f', (level + 1) * 1e14)
    local birth = redis.call('ZRANGE', line, from, to, 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
    if birth then
      birth = tonumber(birth) - level * 1e14
      if oldest < 0 or birth < oldest then oldest = birth end
    end
  end
  found[#found + 1] = waiting
  found[#found + 1] = oldest
end
return found
