-- KEYS: value and lease of each item. ARGV: the token, then value and
-- milliseconds of each.
for i = 1, #KEYS, 2 do
  if redis.call('GET', KEYS[i + 1]) == ARGV[1] then
    redis.call('SET', KEYS[i], ARGV[i + 1], 'PX', ARGV[i + 2])
    redis.call('DEL', KEYS[i + 1])
  end
end
return 0
