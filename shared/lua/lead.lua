#!lua flags=allow-oom
-- Takes the lead, keeps it, or gives it up. Allowed at maxmemory: who leads ends jobs, which frees memory.
-- KEYS  1 lock (string: its holder)
-- ARGV  1 who asks  2 hold it for so long from now on (ms); 0: give it up
-- Reply 1 if the caller leads, else 0
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
