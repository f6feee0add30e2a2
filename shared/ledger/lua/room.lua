#!lua flags=no-writes
-- Returns the room in Redis and what the first queued job needs of it.
-- KEYS  1 reserved hash (bytes by job id)  2 queued zset  3 prefix of the lanes  4 prefix of the turns
--       5 shares hash (turns.part.lua)
-- ARGV  1 prefix of the job hashes
-- Reply {used (bytes), maxmemory (0: no bound), free, need of the first queued job (0: none is queued)}
local reserved_key, queued_key, lanes_prefix, turns_prefix, shares_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local jobs_prefix = ARGV[1]
-- include memory
-- include turns
local used, maximum, free = memory(reserved_key)
local need = 0
local first = next_in_turn() or redis.call('ZRANGE', queued_key, 0, 0)[1]
if first then
  local room = redis.call('HMGET', jobs_prefix .. first, 'pixels_room', 'images_room')
  need = (tonumber(room[1]) or 0) + (tonumber(room[2]) or 0)
end
return {used, maximum, free, need}
