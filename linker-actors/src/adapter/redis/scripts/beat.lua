-- Renews a node's heartbeat, unless another run has the name.
-- KEYS: the heartbeat. ARGV: the run, its life as it knows it, the life after having been forgotten, ms to live, the record.
-- A heartbeat is RUN LIFE RECORD. Answers: the run that has the name, its life.
local holder, life = nil, tonumber(ARGV[3])
local heartbeat = redis.call('GET', KEYS[1])
if heartbeat then
  holder, life = string.match(heartbeat, '^(%x+) (%d+) ')
  if holder and holder ~= ARGV[1] then return {holder, 0} end
  life = math.max(tonumber(life or 0), tonumber(ARGV[2]))
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. string.format('%d', life) .. ' ' .. ARGV[5], 'PX', ARGV[4])
return {ARGV[1], life}
