#!lua flags=allow-oom
-- Takes a place among the webhooks that are on the way to one host and of one owner. Allowed at maxmemory: places are few.
-- KEYS  1 zset of the host's webhooks on the way (member: job id; score: when its place is free again, ms)
--       2 likewise of the owner
--       3 number of the tries that the host has not answered since its last answer to the owner (string)
--       4 number of the owner's tries in this minute that the host refused or did not answer (string)
-- ARGV  1 job id  2 bound for the host  3 bound for the owner (0: none)  4 failures from which the host has one place
--       5 the place is free again after this time (ms), if its holder dies  6 bound of the tries in a minute (0: none)
-- Reply 0 if there was a place, else the number of failures plus 1; below 0 the ms until the minute is over
local host_key, owner_key, failures_key, minute_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local job_id, max_host, max_owner = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local max_failures, hold_ms, max_minute = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if max_minute > 0 and tonumber(redis.call('GET', minute_key) or 0) >= max_minute then
  return -math.max(1, redis.call('PTTL', minute_key))
end
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local failures = tonumber(redis.call('GET', failures_key) or 0)
if failures >= max_failures then max_host = 1 end
local function is_full(key, bound)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now_ms))
  return redis.call('ZCARD', key) >= bound and not redis.call('ZSCORE', key, job_id)
end
if is_full(host_key, max_host) or (max_owner > 0 and is_full(owner_key, max_owner)) then return failures + 1 end
for _, key in ipairs(max_owner > 0 and {host_key, owner_key} or {host_key}) do
  redis.call('ZADD', key, string.format('%.0f', now_ms + hold_ms), job_id)
  redis.call('PEXPIRE', key, hold_ms)
end
return 0
