-- KEYS: leases. ARGV: the token.
for _, lease in ipairs(KEYS) do
  if redis.call('GET', lease) == ARGV[1] then
    redis.call('DEL', lease)
  end
end
return 0
