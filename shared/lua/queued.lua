#!lua flags=no-writes
-- Lists every queued job, in the order of the queue.
-- KEYS  1 queued zset
return redis.call('ZRANGE', KEYS[1], 0, -1)
