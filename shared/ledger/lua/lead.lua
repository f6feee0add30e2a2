#!lua flags=allow-oom
-- Takes, renews or gives up the sweepers' lead. Allowed at maxmemory: the leader ends jobs, which frees memory.
-- KEYS  1 lock (string: its holder)
-- ARGV  1 caller's name  2 hold the lock for this long (ms); 0: give it up
-- Reply 1 if the caller leads, else 0
local lock_key = KEYS[1]
local caller, hold_ms = ARGV[1], ARGV[2]
local holder = redis.call('GET', lock_key)
if holder and holder ~= caller then return 0 end
if hold_ms == '0' then
  redis.call('DEL', lock_key)
  return 0
end
redis.call('SET', lock_key, caller, 'PX', hold_ms)
return 1
