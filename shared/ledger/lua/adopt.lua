#!lua flags=allow-oom
-- Puts queued jobs into their owners' lanes that an older version has queued without, and takes those out that it has
-- claimed. Allowed at maxmemory: a job takes an entry of a few bytes.
-- KEYS  1 queued zset  2 prefix of the lanes  3 prefix of the turns  4 shares hash (turns.part.lua has all of these)
-- ARGV  1 prefix of the job hashes
-- Reply the number of jobs that were put in or taken out
local queued_key, lanes_prefix, turns_prefix, shares_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local jobs_prefix = ARGV[1]
-- include turns
-- include order
local in_lanes = 0
for _, priority in ipairs(PRIORITIES) do
  for _, one in ipairs(line_of(priority)) do in_lanes = in_lanes + one.count end
end
if in_lanes == redis.call('ZCARD', queued_key) then return 0 end
local changed = 0
for _, priority in ipairs(PRIORITIES) do
  for _, one in ipairs(line_of(priority)) do
    local lane = redis.call('ZRANGE', lane_of(priority, one.owner), 0, -1, 'WITHSCORES')
    for i = 1, #lane, 2 do
      if not redis.call('ZSCORE', queued_key, lane[i]) then
        dequeue(lane[i], lane[i + 1], one.owner)
        changed = changed + 1
      end
    end
  end
end
local queued = redis.call('ZRANGE', queued_key, 0, -1, 'WITHSCORES')
for i = 1, #queued, 2 do
  local owner = redis.call('HGET', jobs_prefix .. queued[i], 'owner')
  if owner and not redis.call('ZSCORE', lane_of(priority_of(queued[i + 1]), owner), queued[i]) then
    enqueue(queued[i], queued[i + 1], owner)
    changed = changed + 1
  end
end
return changed
