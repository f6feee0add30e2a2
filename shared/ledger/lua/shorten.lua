#!lua flags=allow-oom
-- Ends no lease later than a new one would end: after the clock was set back, one of a dead holder would last for longer.
-- Allowed at maxmemory: it takes no memory.
-- KEYS  1 leases zset (score: expiry)
-- ARGV  1 lease (ms)
-- Reply the number of leases that ended later
local leases_key, lease_ms = KEYS[1], ARGV[1]
local clock = redis.call('TIME')
local latest = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000) + lease_ms)
local later = redis.call('ZRANGEBYSCORE', leases_key, '(' .. latest, '+inf')
for _, job_id in ipairs(later) do redis.call('ZADD', leases_key, latest, job_id) end
return #later
