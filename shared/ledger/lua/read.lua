#!lua flags=no-writes
-- Reads a job and its rank in the queue.
-- KEYS  1 job hash  2 queued zset
-- ARGV  1 job id
-- Reply {rank from 0, or -1, field, value, ...}, or {} for an unknown job
local job_key, queued_key = KEYS[1], KEYS[2]
local job_id = ARGV[1]
local record = redis.call('HGETALL', job_key)
if #record == 0 then return record end
table.insert(record, 1, redis.call('ZRANK', queued_key, job_id) or -1)
return record
