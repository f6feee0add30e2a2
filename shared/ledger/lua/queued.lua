#!lua flags=no-writes
-- Lists every queued job, in the order in which the turns are expected to come.
-- KEYS  1 queued zset  2 prefix of the lanes  3 prefix of the turns  4 shares hash (turns.part.lua has all of these)
-- ARGV  1 prefix of the job hashes
-- Reply {job id, ...}
local queued_key, lanes_prefix, turns_prefix, shares_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local jobs_prefix = ARGV[1]
-- include turns
-- include order
return in_turn(redis.call('ZCARD', queued_key))
