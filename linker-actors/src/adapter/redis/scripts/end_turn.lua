-- A node's turn is over, and it waits for none. KEYS: who has the turn, who is next. ARGV: the node.
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
return 0
