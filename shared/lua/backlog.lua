#!lua flags=no-writes
-- The queue's depth and the age of its oldest job in milliseconds (0 when empty).
-- KEYS  1 queued zset
local clock = redis.call('TIME')
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local age = oldest[2] and (clock[1] * 1000 + math.floor(clock[2] / 1000) - oldest[2]) or 0
return {redis.call('ZCARD', KEYS[1]), math.max(0, age)}
