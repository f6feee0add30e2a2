#!lua flags=allow-oom
-- Renews held calls. Allowed at maxmemory: it takes no memory.
-- KEYS  1 calls zset (score: when the job is canceled)
-- ARGV  1 from now (ms)  2... ids of their jobs; one that is not in the zset stays out of it
-- Reply the number of jobs
local calls_key = KEYS[1]
local clock = redis.call('TIME')
local until_ms = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', calls_key, 'XX', until_ms, ARGV[i]) end
return #ARGV - 1
