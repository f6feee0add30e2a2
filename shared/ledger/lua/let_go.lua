#!lua flags=allow-oom
-- Ends a held call on its job (calls.py). Allowed at maxmemory: a call takes little, and its end frees it.
-- KEYS  1 calls zset (score: when the job is canceled)  2 twins zset (jobs of equal calls; score: joined until, without a
--         score in the calls zset)  3 job hash
-- ARGV  1 job id  2 call id  3 delivered | echoed | told | cut  4 equal calls join the job for this long (ms)
--       5 the twins are kept for this long (ms)
-- Reply 1 if the call held the job, else 0
local calls_key, twins_key, job_key = KEYS[1], KEYS[2], KEYS[3]
local job_id, call_id, how, rejoin_ms, kept_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('HGET', job_key, 'call') ~= call_id then return 0 end
local clock = redis.call('TIME')
local until_ms = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000) + rejoin_ms)
if how == 'cut' then
  redis.call('ZADD', calls_key, until_ms, job_id)
else
  redis.call('ZREM', calls_key, job_id)
end
if how == 'delivered' then
  redis.call('ZREM', twins_key, job_id)
else
  redis.call('ZADD', twins_key, how == 'cut' and 0 or until_ms, job_id)
  redis.call('PEXPIRE', twins_key, kept_ms)
end
return 1
