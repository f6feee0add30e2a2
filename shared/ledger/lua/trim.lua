#!lua flags=allow-oom
-- Removes the oldest messages of a queue that has many more of them than there are queued jobs. Atomic, so that no queued
-- job is left without a message. Allowed at maxmemory: it frees memory.
-- KEYS  1 queued zset  2, ... the queue's lists, whose oldest message is the last
-- ARGV  1 messages that are kept for each queued job  2 messages that are kept beside these
--       3 maximum number of messages removed, so that the server is not blocked
-- Reply the number of messages removed
local queued_key = KEYS[1]
local per_job, beside, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local waiting = 0
for i = 2, #KEYS do waiting = waiting + redis.call('LLEN', KEYS[i]) end
local surplus = math.max(0, math.min(limit, waiting - per_job * redis.call('ZCARD', queued_key) - beside))
local left = surplus
for i = 2, #KEYS do
  local removed = math.min(left, redis.call('LLEN', KEYS[i]))
  redis.call('LTRIM', KEYS[i], 0, -1 - removed)
  left = left - removed
end
return surplus
