-- Begin or finish a new life of the dispatch. ARGV: prefix, verb, name of the generation, [run id of the server].
--   begin   close the dispatch (claims answer NOGEN) and forget its state; waiting ids are unlinked by the caller
--   publish open it under the new name, unless a flush or another rebuild has come between: answers 1, or 0 then
local prefix, verb, name = ARGV[1], ARGV[2], ARGV[3]
local rebuild = prefix .. 'dispatch:rebuild'
if verb == 'begin' then
  for _, key in ipairs({'generation', 'ready', 'paused', 'overflow', 'rates', 'throttled', 'idle'}) do
    redis.call('UNLINK', prefix .. 'dispatch:' .. key)
  end
  redis.call('SET', rebuild, name)
  return 1
end
if redis.call('GET', rebuild) ~= name then return 0 end
redis.call('SET', prefix .. 'dispatch:generation', name)
redis.call('SET', prefix .. 'dispatch:server', ARGV[4])
redis.call('DEL', rebuild)
return 1
