#!lua flags=allow-oom
-- Adds one to a counter. Allowed at maxmemory: what it counts has happened, and there are only a few fields.
-- KEYS  1 counters hash (counters.py)
-- ARGV  1 field
-- Reply the counter's new value
local counters_key, field = KEYS[1], ARGV[1]
return redis.call('HINCRBY', counters_key, field, 1)
