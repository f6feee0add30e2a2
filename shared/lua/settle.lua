#!lua flags=allow-oom
-- Takes a job's webhook off the list.
-- KEYS  1 webhooks zset
-- ARGV  1 job id
return redis.call('ZREM', KEYS[1], ARGV[1])
