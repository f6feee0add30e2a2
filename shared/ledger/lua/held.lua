#!lua flags=no-writes
-- Returns the job that a worker draws.
-- KEYS  1 held hash (field: a worker's name; value: the job that it draws)
-- ARGV  1 worker
-- Reply the job id, or an empty string
local held_key, worker = KEYS[1], ARGV[1]
return redis.call('HGET', held_key, worker) or ''
