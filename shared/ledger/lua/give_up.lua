#!lua flags=allow-oom
-- Records that a job's images were given up before their time. Allowed at maxmemory: it is done to free memory.
-- KEYS  1 job hash  2 images zset (score: when they expire)  3 counters hash (counters.py)
-- ARGV  1 job id  2 field of the counters
-- Reply 1 if the images counted as kept, else 0
local job_key, images_key, counters_key = KEYS[1], KEYS[2], KEYS[3]
local job_id, field = ARGV[1], ARGV[2]
if redis.call('ZREM', images_key, job_id) == 0 then return 0 end
if redis.call('EXISTS', job_key) == 1 then
  local clock = redis.call('TIME')
  redis.call('HSET', job_key, 'images_expire_at', string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)))
end
redis.call('HINCRBY', counters_key, field, 1)
return 1
