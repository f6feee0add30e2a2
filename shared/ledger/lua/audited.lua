#!lua flags=no-writes
-- Returns the last notes of what operators did, the last first.
-- KEYS  1 audit stream
-- ARGV  1 the most notes
-- Reply {{id, {field, value, ...}}, ...}
local audit_key, limit = KEYS[1], ARGV[1]
return redis.call('XREVRANGE', audit_key, '+', '-', 'COUNT', limit)
