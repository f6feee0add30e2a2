#!lua flags=no-writes
-- Lists every queued job, in the order of the queue.
-- KEYS  1 queued zset
-- Reply {job id, ...}
local queued_key = KEYS[1]
return redis.call('ZRANGE', queued_key, 0, -1)
