#!lua flags=allow-oom
-- Moves the time at which a job's webhook is due. Allowed at maxmemory: it adds no memory.
-- KEYS  1 webhooks zset (score: when it is due)  2 job hash
-- ARGV  1 job id  2 due in so many ms from now  3 1: this is a try, count it; else 0
-- Reply: the tries so far, or -1: none is pending (delivered or given up, or the record has gone)
local webhooks_key, job_key = KEYS[1], KEYS[2]
local job_id, delay_ms, tries = ARGV[1], ARGV[2], ARGV[3]
if not redis.call('ZSCORE', webhooks_key, job_id) then return -1 end
if redis.call('EXISTS', job_key) == 0 then
  redis.call('ZREM', webhooks_key, job_id)
  return -1
end
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', webhooks_key, string.format('%.0f', now_ms + delay_ms), job_id)
return redis.call('HINCRBY', job_key, 'webhook_tries', tries)
