#!lua flags=no-writes
-- Lists the jobs whose time in a zset has passed, by the server's clock.
-- KEYS  1 leases, deadlines or webhooks zset
-- ARGV  1 maximum number of jobs
-- Reply {job id, ...}
local times_key, limit = KEYS[1], ARGV[1]
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
return redis.call('ZRANGEBYSCORE', times_key, '-inf', now, 'LIMIT', 0, limit)
