#!lua flags=allow-oom
-- Postpones a job's pending webhook, and counts a try. Allowed at maxmemory: it takes no memory.
-- KEYS  1 webhooks zset (score: when the webhook is due)  2 job hash
-- ARGV  1 job id  2 delay until it is due (ms)  3 tries to add: 1 for a try, else 0
-- Reply the number of tries, or -1 if no webhook is pending (delivered, given up, or the record has expired)
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
