#!lua flags=allow-oom
-- Takes the lead, keeps it, or gives it up. Allowed at maxmemory: who leads ends jobs, which frees memory.
-- KEYS  1 lock (string: its holder)
-- ARGV  1 who asks  2 hold it for so long from now on (ms); 0: give it up
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
