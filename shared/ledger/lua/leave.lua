#!lua flags=allow-oom
-- Gives a webhook's place up, and counts the tries that the host did not answer. Allowed at maxmemory: it frees memory.
-- KEYS  1 zset of the host's webhooks on the way  2 likewise of the owner  3 unanswered tries (string)
--       4 tries of this minute that were not delivered (string)
-- ARGV  1 job id  2 whether the host answered: 1 or 0; empty: it was not asked  3 failures are forgotten after this time (ms)
--       4 1 for a try that was not delivered, else 0
-- Reply OK
local host_key, owner_key, failures_key, minute_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local job_id, answered, forget_ms, failed = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if failed == '1' and redis.call('INCR', minute_key) == 1 then redis.call('EXPIRE', minute_key, 60) end
redis.call('ZREM', host_key, job_id)
redis.call('ZREM', owner_key, job_id)
if answered == '1' then redis.call('DEL', failures_key) end
if answered == '0' then
  redis.call('INCR', failures_key)
  redis.call('PEXPIRE', failures_key, forget_ms)
end
return redis.status_reply('OK')
