#!lua flags=allow-oom
-- Removes a job's pending webhook, and keeps the record no longer for it. Allowed at maxmemory: it frees memory.
-- KEYS  1 webhooks zset  2 job hash
-- ARGV  1 job id  2 the most that the record's TTL is from now on (s)
-- Reply 1 if it was pending, else 0
local webhooks_key, job_key = KEYS[1], KEYS[2]
local job_id, ttl_s = ARGV[1], tonumber(ARGV[2])
if redis.call('TTL', job_key) > ttl_s then redis.call('EXPIRE', job_key, ttl_s) end
return redis.call('ZREM', webhooks_key, job_id)
