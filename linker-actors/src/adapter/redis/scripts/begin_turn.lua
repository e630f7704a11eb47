-- A node's turn to serve a user's fetches begins or goes on, unless another has it or is next.
-- KEYS: who has the turn, who is next. ARGV: the node, ms that a turn takes, ms that one who waits waits.
-- Answers: is it this node's, is it wanted.
local holder, next = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
local wanted = next and next ~= ARGV[1]
if holder == ARGV[1] or not (holder or wanted) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  if next == ARGV[1] then redis.call('DEL', KEYS[2]) end
  return {1, wanted and 1 or 0}
end
if not wanted then redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3]) end
return {0, 0}
