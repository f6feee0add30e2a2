#!lua flags=no-writes
-- Reads a job and its rank in the queue.
-- KEYS  1 job hash  2 queued zset  3 prefix of the lanes  4 prefix of the turns  5 shares hash (turns.part.lua)
-- ARGV  1 job id
-- Reply {rank from 0, or -1, field, value, ...}, or {} for an unknown job
local job_key, queued_key, lanes_prefix, turns_prefix, shares_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local job_id = ARGV[1]
local jobs_prefix = string.sub(job_key, 1, -#job_id - 1)
local record = redis.call('HGETALL', job_key)
if #record == 0 then return record end
-- include turns
-- include order
table.insert(record, 1, rank_of(job_id))
return record
