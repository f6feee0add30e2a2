#!lua flags=no-writes
-- Returns the queue's depth and the age of its oldest job.
-- KEYS  1 queued zset (score: created_at plus the priority's offset)
-- ARGV  the offset of each priority (ms)
-- Reply {depth, age (ms; 0 for an empty queue)}
local queued_key, offsets_ms = KEYS[1], ARGV
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local age_ms = 0
for _, offset_ms in ipairs(offsets_ms) do
  -- The first job at or above this offset. A job of a lower priority has a larger score, so it makes the age negative.
  local oldest = redis.call('ZRANGEBYSCORE', queued_key, offset_ms, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if oldest[2] then age_ms = math.max(age_ms, now_ms + offset_ms - oldest[2]) end
end
return {redis.call('ZCARD', queued_key), age_ms}
