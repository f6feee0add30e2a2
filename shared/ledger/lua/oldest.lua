#!lua flags=no-writes
-- Lists the members of a zset with the lowest scores.
-- KEYS  1 zset
-- ARGV  1 maximum number of members
-- Reply {member, ...}, the lowest score first
local zset_key, limit = KEYS[1], tonumber(ARGV[1])
return redis.call('ZRANGE', zset_key, 0, limit - 1)
