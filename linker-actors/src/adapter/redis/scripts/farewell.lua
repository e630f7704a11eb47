-- Removes a session of a user, whatever its life, or with this life alone.
-- KEYS: the user's sessions. ARGV: the session without or with its life. Answers: what was removed (empty: nothing), was it the last.
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(member, 1, #ARGV[1]) == ARGV[1] then
    redis.call('ZREM', KEYS[1], member)
    return {member, 1 - redis.call('EXISTS', KEYS[1])}
  end
end
return {'', 0}
