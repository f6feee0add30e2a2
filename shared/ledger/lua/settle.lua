#!lua flags=allow-oom
-- Removes a job's pending webhook. Allowed at maxmemory: it frees memory.
-- KEYS  1 webhooks zset
-- ARGV  1 job id
-- Reply 1 if it was pending, else 0
local webhooks_key, job_id = KEYS[1], ARGV[1]
return redis.call('ZREM', webhooks_key, job_id)
