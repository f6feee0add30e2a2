#!lua flags=no-writes
-- Returns what an operator looks at: jobs that are held, the queue by key and priority, the last ends.
-- KEYS  1 queued zset  2 leases zset  3 events stream  4 sweeper (string: the leader's name)
-- ARGV  1 prefix of the job hashes  2 the most queued jobs that are read  3 the most ends  4 the most events looked at
--       5 fields of a held job, separated by spaces  6 fields of one that has ended
-- Reply {time (ms), 1 if a sweeper leads, {value of each field, ...} of each held job, number of queued jobs,
--        {owner, priority, number, created_at of the oldest} of each key and priority,
--        {id, status, time of the end (ms), value of each field, ...} of each end, the last first}
local queued_key, leases_key, events_key, sweeper_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local jobs_prefix, max_queued, max_ends, max_events = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local function words(text)
  local found = {}
  for word in string.gmatch(text, '%S+') do table.insert(found, word) end
  return found
end
local held_fields, ended_fields = words(ARGV[5]), words(ARGV[6])
local clock = redis.call('TIME')

local held = {}
for _, id in ipairs(redis.call('ZRANGE', leases_key, 0, -1)) do
  table.insert(held, redis.call('HMGET', jobs_prefix .. id, unpack(held_fields)))
end

local groups, places = {}, {}
for _, id in ipairs(redis.call('ZRANGE', queued_key, 0, max_queued - 1)) do
  local job = redis.call('HMGET', jobs_prefix .. id, 'owner', 'priority', 'created_at')
  local owner, priority, created_at = job[1] or '', job[2] or 'normal', job[3]
  if created_at then
    local name = owner .. ' ' .. priority
    if not places[name] then
      table.insert(groups, {owner, priority, 0, created_at})
      places[name] = #groups
    end
    local group = groups[places[name]]
    group[3] = group[3] + 1
    if tonumber(created_at) < tonumber(group[4]) then group[4] = created_at end
  end
end

local terminal = {succeeded = true, failed = true, canceled = true, expired = true}
local ends = {}
for _, event in ipairs(redis.call('XREVRANGE', events_key, '+', '-', 'COUNT', max_events)) do
  if #ends >= max_ends then break end
  local fields = {}
  for i = 1, #event[2], 2 do fields[event[2][i]] = event[2][i + 1] end
  if terminal[fields.status] then
    local ended = redis.call('HMGET', jobs_prefix .. fields.job_id, unpack(ended_fields))
    table.insert(ended, 1, string.match(event[1], '^%d+'))
    table.insert(ended, 1, fields.status)
    table.insert(ended, 1, fields.job_id)
    table.insert(ends, ended)
  end
end
return {clock[1] * 1000 + math.floor(clock[2] / 1000), redis.call('EXISTS', sweeper_key), held,
  redis.call('ZCARD', queued_key), groups, ends}
