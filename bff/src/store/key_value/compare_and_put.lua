-- KEYS: the value. ARGV: the new value, milliseconds to live, the expected value; without it there must be none.
if redis.call('GET', KEYS[1]) == (ARGV[3] or false) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0
