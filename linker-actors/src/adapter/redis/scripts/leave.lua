-- Ends a node's heartbeat, if it is this run's. KEYS: the heartbeat. ARGV: the run.
local heartbeat = redis.call('GET', KEYS[1])
if heartbeat and string.sub(heartbeat, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then
  return redis.call('DEL', KEYS[1])
end
return 0
