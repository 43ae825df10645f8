-- KEYS: the bucket. ARGV: microseconds per token, microseconds to fill, cost (less than 0 gives back). The value is when
-- it will be full.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, fill, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local before = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local after = before + cost * interval
local earliest = after - fill

local function tokens(full_at)
  return math.max(math.floor((now + fill - full_at) / interval), 0)
end

if now < earliest then
  return {0, tokens(before), earliest - now}
end
if after > now then
  redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
elseif cost < 0 then
  redis.call('DEL', KEYS[1])
end
return {1, tokens(after), 0}
