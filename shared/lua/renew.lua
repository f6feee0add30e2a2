#!lua flags=allow-oom
-- Renews a lease, writes progress, and tells the holder whether to go on. Allowed at maxmemory: it adds no memory.
-- KEYS  1 job hash  2 leases zset
-- ARGV  1 job id  2 attempt  3 lease (ms)  4 step  5 steps (empty: progress stays)
-- Reply held | lost | cancel | expired
local job = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'cancel_requested', 'deadline_at')
if (job[1] ~= 'running' and job[1] ~= 'finishing') or job[2] ~= ARGV[2] then return 'lost' end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[3]), ARGV[1])
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'step', ARGV[4], 'steps', ARGV[5])
end
if job[3] == '1' then return 'cancel' end
if tonumber(job[4]) > 0 and tonumber(job[4]) <= now then return 'expired' end
return 'held'
