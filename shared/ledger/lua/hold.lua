#!lua flags=allow-oom
-- Tells a worker to take no more jobs, or to take them again; its next heartbeat learns it. Allowed at maxmemory: a word.
-- KEYS  1 hold of the worker (string: paused | draining)  2 heartbeat of the worker (string)
-- ARGV  1 paused, draining, or empty to take jobs again  2 the hold is kept for this long (s) after the last heartbeat
-- Reply moved | already | missing: no worker of that name is alive
local hold_key, heartbeat_key = KEYS[1], KEYS[2]
local how, kept_s = ARGV[1], ARGV[2]
if redis.call('EXISTS', heartbeat_key) == 0 then return 'missing' end
if (redis.call('GET', hold_key) or '') == how then return 'already' end
if how == '' then
  redis.call('DEL', hold_key)
else
  redis.call('SET', hold_key, how, 'EX', kept_s)
end
return 'moved'
