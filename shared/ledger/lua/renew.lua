#!lua flags=allow-oom
-- Renews a lease, writes progress, and returns whether the holder may go on. Allowed at maxmemory: it takes no memory.
-- KEYS  1 job hash  2 leases zset
-- ARGV  1 job id  2 attempt  3 lease (ms)  4 step  5 steps (empty: progress unchanged)
-- Reply held | lost | cancel | expired
local job_key, leases_key = KEYS[1], KEYS[2]
local job_id, attempt, lease_ms, step, steps = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local record = redis.call('HMGET', job_key, 'status', 'attempt', 'cancel_requested', 'deadline_at')
local status, current_attempt, cancel_requested, deadline_at = record[1], record[2], record[3], tonumber(record[4])
if (status ~= 'running' and status ~= 'finishing') or current_attempt ~= attempt then return 'lost' end
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', leases_key, string.format('%.0f', now_ms + lease_ms), job_id)
if steps ~= '' then redis.call('HSET', job_key, 'step', step, 'steps', steps) end
if cancel_requested == '1' then return 'cancel' end
if deadline_at > 0 and deadline_at <= now_ms then return 'expired' end
return 'held'
