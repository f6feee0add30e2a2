#!lua flags=allow-oom
-- Takes a job's webhook off the list. Allowed at maxmemory: it frees memory.
-- KEYS  1 webhooks zset
-- ARGV  1 job id
local webhooks_key, job_id = KEYS[1], ARGV[1]
return redis.call('ZREM', webhooks_key, job_id)
