#!lua flags=allow-oom
-- Removes the record of a job that has ended, and what leads to it. Allowed at maxmemory: it frees memory.
-- KEYS  1 job hash  2 forget zset (member: "job_id owner")  3 prefix of the owned zsets; a colon and the owner follow
--       4 images zset  5 webhooks zset  6 number of forgotten jobs (string)
-- ARGV  1 job id
-- Reply 1 if there was a record, else 0
local job_key, forget_key, owned_prefix, images_key, webhooks_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local forgotten_key = KEYS[6]
local job_id = ARGV[1]
local owner = redis.call('HGET', job_key, 'owner') or ''
redis.call('ZREM', forget_key, job_id .. ' ' .. owner)
redis.call('ZREM', owned_prefix .. ':' .. owner, job_id)
redis.call('ZREM', images_key, job_id)
redis.call('ZREM', webhooks_key, job_id)
redis.call('INCR', forgotten_key)
return redis.call('UNLINK', job_key)
