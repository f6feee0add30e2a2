#!lua flags=no-writes
-- The queue's depth and the age of its oldest job in milliseconds (0 when empty).
-- KEYS  1 queued zset (score: created_at, moved by the priority)
-- ARGV  what each priority adds to a score (ms)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local age = 0
for _, offset in ipairs(ARGV) do
  -- The first job of this priority: created at some time from 0 on.
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[1], offset, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if oldest[2] then age = math.max(age, now + offset - oldest[2]) end
end
return {redis.call('ZCARD', KEYS[1]), age}
