-- Registers a session of a user, and evicts others of the user beyond the limit.
-- KEYS: the user's sessions. ARGV: the session without and with its life, the limit (0: none), dead nodes.
-- A member is NODE/SESSION/LIFE/, its score the login epoch: 1 for one that found nobody. Answers: was it first, is it new, who was evicted.
local sessions = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local session, member, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local epoch = 0
for i = 1, #sessions, 2 do
  if string.sub(sessions[i], 1, #session) == session then
    if sessions[i] ~= member then
      redis.call('ZREM', KEYS[1], sessions[i])
      redis.call('ZADD', KEYS[1], sessions[i + 1], member)
    end
    return {tonumber(sessions[i + 1]) == 1 and 1 or 0, 0, {}}
  end
  epoch = tonumber(sessions[i + 1])
end
redis.call('ZADD', KEYS[1], epoch + 1, member)
local evicted = {}
local surplus = #sessions / 2 + 1 - limit
if limit > 0 and surplus > 0 then
  local function evict(node)
    for i = 1, #sessions, 2 do
      if #evicted >= surplus then return end
      if sessions[i] and string.sub(sessions[i], 1, #node) == node then
        redis.call('ZREM', KEYS[1], sessions[i])
        evicted[#evicted + 1] = sessions[i]
        sessions[i] = false
      end
    end
  end
  for i = 4, #ARGV do evict(ARGV[i]) end
  evict('')
end
return {epoch == 0 and 1 or 0, 1, evicted}
