#!lua flags=no-writes
-- What is being drawn and what is queued, as far as an estimate needs it.
-- KEYS  1 queued zset  2 leases zset
-- ARGV  1 prefix of the job hashes  2 at most so many queued jobs, in the order of the queue
-- Reply {time (ms), {sizes, requested steps, step, steps, started_at} of each running job,
--        {sizes, requested steps, owner} of each queued job}
local clock = redis.call('TIME')
local running, queued = {}, {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local job = redis.call('HMGET', ARGV[1] .. id, 'status', 'sizes', 'requested_steps', 'step', 'steps', 'started_at')
  if table.remove(job, 1) == 'running' then table.insert(running, job) end
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1)) do
  local job = redis.call('HMGET', ARGV[1] .. id, 'sizes', 'requested_steps', 'owner')
  if job[1] then table.insert(queued, job) end
end
return {clock[1] * 1000 + math.floor(clock[2] / 1000), running, queued}
