#!lua flags=allow-oom
-- Moves the time at which a job's webhook is due. Allowed at maxmemory: it adds no memory.
-- KEYS  1 webhooks zset (score: when it is due)  2 job hash
-- ARGV  1 job id  2 due in so many ms from now  3 1: this is a try, count it; else 0
-- Reply: the tries so far, or -1: none is pending (delivered or given up, or the record has gone)
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return -1 end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return -1
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
return redis.call('HINCRBY', KEYS[2], 'webhook_tries', ARGV[3])
