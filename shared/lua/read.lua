#!lua flags=no-writes
-- Reads a job with its place in the queue.
-- KEYS  1 job hash  2 queued zset
-- ARGV  1 job id
-- Reply {rank from 0, or -1, field, value, ...}, or {} for an unknown job
local record = redis.call('HGETALL', KEYS[1])
if #record == 0 then return record end
table.insert(record, 1, redis.call('ZRANK', KEYS[2], ARGV[1]) or -1)
return record
