#!lua flags=no-writes
-- Lists the jobs whose time in a zset has come, by the server's clock.
-- KEYS  1 leases zset or deadlines zset
-- ARGV  1 at most so many
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
