#!lua flags=no-writes
-- What is being drawn and what is queued, as far as an estimate needs it.
-- KEYS  1 queued zset  2 leases zset
-- ARGV  1 prefix of the job hashes  2 at most so many queued jobs, in the order of the queue
-- Reply {time (ms), {{sizes, requested steps, number of images}, step, steps, started_at} of each running job,
--        {{sizes, requested steps, number of images}, owner} of each queued job}
local clock = redis.call('TIME')
local running, queued = {}, {}
local function asked(id)
  return redis.call('HMGET', ARGV[1] .. id, 'sizes', 'requested_steps', 'num_images')
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local job = redis.call('HMGET', ARGV[1] .. id, 'status', 'step', 'steps', 'started_at')
  if job[1] == 'running' then table.insert(running, {asked(id), job[2], job[3], job[4]}) end
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1)) do
  local shape = asked(id)
  if shape[1] then table.insert(queued, {shape, redis.call('HGET', ARGV[1] .. id, 'owner')}) end
end
return {clock[1] * 1000 + math.floor(clock[2] / 1000), running, queued}
