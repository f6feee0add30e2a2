#!lua flags=allow-oom
-- Stores a worker's heartbeat and removes the names of workers that sent none for a while. Allowed at maxmemory: it takes
-- the place of the heartbeat before it, and without it a full server would look like one without workers.
-- KEYS  1 heartbeat of the worker (string: JSON)  2 workers zset (score: last heartbeat, in s)
--       3 hold of the worker (string: what an operator told it)
-- ARGV  1 worker's name  2 heartbeat (JSON)  3 time after which a silent worker is gone (s)
--       4 the hold is kept for this long (s)
-- Reply the hold; empty without one
local heartbeat_key, workers_key, hold_key = KEYS[1], KEYS[2], KEYS[3]
local name, heartbeat, alive_s, kept_s = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now_s = redis.call('TIME')[1]
redis.call('SET', heartbeat_key, heartbeat, 'EX', alive_s)
redis.call('ZADD', workers_key, now_s, name)
redis.call('ZREMRANGEBYSCORE', workers_key, '-inf', now_s - alive_s)
redis.call('EXPIRE', hold_key, kept_s)
return redis.call('GET', hold_key) or ''
