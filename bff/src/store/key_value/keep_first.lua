-- KEYS: the value. ARGV: what it becomes where there is none, milliseconds to live. With the value stands the run of the
-- Redis that took it, so that what a snapshot or a failover brings back, although it was deleted, counts as none.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if not run then
  return redis.error_reply('ERR INFO does not say which run this is')
end
local kept = redis.pcall('GET', KEYS[1])
if type(kept) == 'string' and string.sub(kept, 1, #run + 1) == run .. ':' then
  return string.sub(kept, #run + 2)
end
redis.call('SET', KEYS[1], run .. ':' .. ARGV[1], 'PX', ARGV[2])
return ARGV[1]
