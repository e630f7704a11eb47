-- Some entries of a run of a node, if it is dead. KEYS: the heartbeat, the entries. ARGV: the run, how many.
-- Answers: is it dead, the entries.
local heartbeat = redis.call('GET', KEYS[1])
if heartbeat and string.sub(heartbeat, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then
  return {0, {}}
end
return {1, redis.call('SRANDMEMBER', KEYS[2], ARGV[2])}
