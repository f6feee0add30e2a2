#!lua flags=no-writes
-- Returns all that an estimate needs: running and queued jobs, the number of ready workers, the pace of their model.
-- KEYS  1 queued zset  2 leases zset  3 workers zset (shared/workers.py)  4 prefix of the lanes  5 prefix of the turns
--       6 shares hash (turns.part.lua)
-- ARGV  1 prefix of the job hashes  2 maximum number of queued jobs, in the order of the turns
--       3 prefix of the workers' heartbeats (JSON)  4 prefix of the pace hashes (shared/pace.py)
-- Reply {time (ms), {asked, step, steps, started_at} of each running job, asked of each queued job,
--        where asked is {sizes, requested steps, number of images, canvas, strength, owner},
--        number of workers whose model is loaded, {field, value, ...}: the pace of the first such worker's model}
local queued_key, leases_key, workers_key = KEYS[1], KEYS[2], KEYS[3]
local lanes_prefix, turns_prefix, shares_key = KEYS[4], KEYS[5], KEYS[6]
local jobs_prefix, limit, heartbeats_prefix, pace_prefix = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
-- include turns
-- include order
local clock = redis.call('TIME')
local running, queued = {}, {}
local function asked_of(id)
  return redis.call('HMGET', jobs_prefix .. id, 'sizes', 'requested_steps', 'num_images', 'canvas', 'strength', 'owner')
end
for _, id in ipairs(redis.call('ZRANGE', leases_key, 0, -1)) do
  local job = redis.call('HMGET', jobs_prefix .. id, 'status', 'step', 'steps', 'started_at')
  local status, step, steps, started_at = job[1], job[2], job[3], job[4]
  if status == 'running' then table.insert(running, {asked_of(id), step, steps, started_at}) end
end
for _, id in ipairs(in_turn(limit)) do
  local asked = asked_of(id)
  if asked[1] then table.insert(queued, asked) end
end
local names = redis.call('ZRANGE', workers_key, 0, -1)
table.sort(names)
local ready, model = 0, nil
for _, name in ipairs(names) do
  -- A heartbeat expires before its worker's name is removed from the zset.
  local heartbeat = redis.call('GET', heartbeats_prefix .. name)
  local worker = heartbeat and cjson.decode(heartbeat) or {}
  if worker.ready then
    ready = ready + 1
    model = model or worker.model
  end
end
local pace = model and redis.call('HGETALL', pace_prefix .. model) or {}
return {clock[1] * 1000 + math.floor(clock[2] / 1000), running, queued, ready, pace}
