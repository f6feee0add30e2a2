#!lua
-- Creates a job, once. Not allowed at maxmemory: a new job is what memory must be kept from.
-- KEYS  1 job hash  2 queued zset (score: created_at, moved by the priority)  3 deadlines zset (score: deadline_at)  4 events stream
--       5 idempotency key (string "job_id fingerprint")  6 prefix of the owned zsets, less ':' and the owner
--         (score: created_at, made unique)  7 forget zset (member: "job_id owner", score: when the record goes)
--       8 prefix of the sets of queued jobs, less ':' and the owner
-- ARGV  1 job id  2 record as JSON object of strings  3 fingerprint of the request, empty: no idempotency key
--       4 idempotency TTL (s)  5 bound of the queue  6 deadline (s, 0: none)  7 bound of the events stream  8 owner  9 what the priority adds to the score in the queue (ms)
--       10 bound of the owner's queued jobs (0: none)  11 of those of high priority (0: none)
-- Reply {created | replayed, job id, rank from 0 or -1, field, value, ...}: the job as it is
--       {conflict, job id}, {full | owner_full | owner_high_full, how many are queued}
local prefix = string.sub(KEYS[1], 1, -#ARGV[1] - 1)
local function reply(outcome, id)
  return {outcome, id, redis.call('ZRANK', KEYS[2], id) or -1, unpack(redis.call('HGETALL', prefix .. id))}
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  return reply('created', ARGV[1]) -- the caller's own retry after a lost reply
end
if ARGV[3] ~= '' then
  local known = redis.call('GET', KEYS[5])
  local id, fingerprint = string.match(known or '', '^(%S+) (%S+)$')
  -- A key outlives its job's record where JOB_TTL_SECONDS is short: then it makes a new one.
  if id and redis.call('EXISTS', prefix .. id) == 1 then
    if fingerprint ~= ARGV[3] then return {'conflict', id} end
    return reply('replayed', id)
  end
end
local depth = redis.call('ZCARD', KEYS[2])
if depth >= tonumber(ARGV[5]) then
  return {'full', tostring(depth)}
end
local own_queued = KEYS[8] .. ':' .. ARGV[8]
if tonumber(ARGV[10]) > 0 then
  local own_depth = redis.call('SCARD', own_queued)
  if own_depth >= tonumber(ARGV[10]) then
    return {'owner_full', tostring(own_depth)}
  end
end
-- Only the high ones stand before the epoch.
if tonumber(ARGV[11]) > 0 and tonumber(ARGV[9]) < 0 then
  local own_high = 0
  for _, id in ipairs(redis.call('SMEMBERS', own_queued)) do
    if tonumber(redis.call('ZSCORE', KEYS[2], id) or 0) < 0 then own_high = own_high + 1 end
  end
  if own_high >= tonumber(ARGV[11]) then
    return {'owner_high_full', tostring(own_high)}
  end
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for field, value in pairs(cjson.decode(ARGV[2])) do
  redis.call('HSET', KEYS[1], field, value)
end
redis.call('HSET', KEYS[1], 'created_at', string.format('%.0f', now))
if tonumber(ARGV[6]) > 0 then
  local deadline = string.format('%.0f', now + ARGV[6] * 1000)
  redis.call('HSET', KEYS[1], 'deadline_at', deadline)
  redis.call('ZADD', KEYS[3], deadline, ARGV[1])
end
-- Kept for a job that is queued again.
local score = string.format('%.0f', now + ARGV[9])
redis.call('HSET', KEYS[1], 'queue_score', score)
redis.call('ZADD', KEYS[2], score, ARGV[1])
redis.call('SADD', own_queued, ARGV[1])
-- Each creation lists one job and forgets up to ten whose records are gone: a list is no longer than its records.
local owned = KEYS[6] .. ':' .. ARGV[8]
local newest = redis.call('ZRANGE', owned, -1, -1, 'WITHSCORES')
redis.call('ZADD', owned, string.format('%.0f', math.max(now, (tonumber(newest[2]) or 0) + 1)), ARGV[1])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[7], '-inf', string.format('%.0f', now), 'LIMIT', 0, 10)) do
  local id, owner = string.match(gone, '^(%S+) (%S*)$')
  redis.call('ZREM', KEYS[6] .. ':' .. owner, id)
  redis.call('ZREM', KEYS[7], gone)
end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[5], ARGV[1] .. ' ' .. ARGV[3], 'EX', ARGV[4])
end
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[7], '*', 'job_id', ARGV[1], 'status', 'queued', 'attempt', '0')
return reply('created', ARGV[1])
