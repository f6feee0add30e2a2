#!lua flags=allow-oom
-- Moves a job from one state to another: an atomic compare-and-set. Allowed at maxmemory: it ends jobs and frees memory.
-- KEYS  1 job hash  2 queued zset  3 leases zset (score: expiry)  4 deadlines zset  5 events stream
--       6 raw pixels, less ':' and the attempt  7 forget zset (member: "job_id owner", score: when the record goes)
--       8 prefix of the sets of queued jobs, less ':' and the owner  9 counters hash (shared/counters.py)
--       10 webhooks zset (score: when it is due)
-- ARGV  1 job id  2 the move as a JSON object:
--         to           the state to enter
--         from         the states it may be entered from
--         flag_from    states in which cancel_requested is set instead (a running job is canceled by its worker)
--         attempt      expected fencing token; absent: any
--         unless_leased  refused while the lease has not run out: its holder renewed it after the caller had looked
--         again        the move from a state to itself is wanted (a new lease)
--         claim        names the delivery: take the job, attempt + 1; max_attempts bounds it
--         set          fields to write with the move
--         stamp        field that takes the time of the move
--         lease_ms     lease to hold from now on; absent: none
--         ttl_s        life of the record from now on; absent: as it was
--         max_events   bound of the events stream
--         count        what to add to counters, by field
--         stage        {name, since, bounds}: counts the time (ms) from the record's field `since` to now
-- Reply {outcome, field, value, ...}: moved | already | flagged | refused | exhausted | missing
local move = cjson.decode(ARGV[2])
local function has(list, value)
  for _, item in ipairs(list or {}) do
    if item == value then return true end
  end
  return false
end
local function reply(outcome)
  local record = redis.call('HGETALL', KEYS[1])
  table.insert(record, 1, outcome)
  return record
end

local status = redis.call('HGET', KEYS[1], 'status')
if not status then return {'missing'} end
local attempt = tonumber(redis.call('HGET', KEYS[1], 'attempt'))
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))

-- The caller's own retry after a lost reply.
if move.claim and status == move.to and redis.call('HGET', KEYS[1], 'claim') == move.claim then
  return reply('already')
end
if not move.claim and not move.again and status == move.to and (not move.attempt or move.attempt == attempt) then
  return reply('already')
end
if move.attempt and move.attempt ~= attempt then return reply('refused') end
if move.unless_leased then
  local expiry = redis.call('ZSCORE', KEYS[3], ARGV[1])
  if expiry and tonumber(expiry) > tonumber(now) then return reply('refused') end
end
if has(move.flag_from, status) then
  redis.call('HSET', KEYS[1], 'cancel_requested', '1')
  return reply('flagged')
end
if not has(move.from, status) then return reply('refused') end
local drawn = attempt
if move.claim then
  if attempt >= move.max_attempts then return reply('exhausted') end
  attempt = redis.call('HINCRBY', KEYS[1], 'attempt', 1)
  redis.call('HSET', KEYS[1], 'claim', move.claim)
end

redis.call('HSET', KEYS[1], 'status', move.to)
for field, value in pairs(move.set or {}) do
  redis.call('HSET', KEYS[1], field, value)
end
if move.stamp then redis.call('HSET', KEYS[1], move.stamp, now) end
local owner = redis.call('HGET', KEYS[1], 'owner') or ''
if move.to == 'queued' then
  -- A record of the version before has no score; it was of normal priority, whose score is its creation.
  local kept = redis.call('HMGET', KEYS[1], 'queue_score', 'created_at')
  redis.call('ZADD', KEYS[2], kept[1] or kept[2], ARGV[1])
  redis.call('SADD', KEYS[8] .. ':' .. owner, ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('SREM', KEYS[8] .. ':' .. owner, ARGV[1])
end
if move.lease_ms then
  redis.call('ZADD', KEYS[3], string.format('%.0f', now + move.lease_ms), ARGV[1])
else
  redis.call('ZREM', KEYS[3], ARGV[1])
end
-- An attempt that was killed may have stored its pixels before it could hand them over.
if move.to ~= 'finishing' and move.to ~= status then redis.call('UNLINK', KEYS[6] .. ':' .. drawn) end
for field, by in pairs(move.count or {}) do
  redis.call('HINCRBY', KEYS[9], field, string.format('%.0f', by))
end
-- How long a job was queued is known of its first attempt only: a later one was drawn meanwhile.
if move.stage and (move.stage.name ~= 'queued' or attempt == 1) then
  local took = math.max(0, now - redis.call('HGET', KEYS[1], move.stage.since))
  local bucket = '+Inf'
  for _, bound in ipairs(move.stage.bounds) do
    if took <= bound then
      bucket = string.format('%.0f', bound)
      break
    end
  end
  redis.call('HINCRBY', KEYS[9], 'stage:' .. move.stage.name .. ':' .. bucket, 1)
  redis.call('HINCRBY', KEYS[9], 'stage:' .. move.stage.name .. ':sum', string.format('%.0f', took))
end
if move.ttl_s then
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('EXPIRE', KEYS[1], move.ttl_s)
  redis.call('ZADD', KEYS[7], string.format('%.0f', now + move.ttl_s * 1000), ARGV[1] .. ' ' .. owner)
  if (redis.call('HGET', KEYS[1], 'webhook_url') or '') ~= '' then redis.call('ZADD', KEYS[10], now, ARGV[1]) end
end
redis.call('XADD', KEYS[5], 'MAXLEN', '~', move.max_events, '*',
  'job_id', ARGV[1], 'status', move.to, 'attempt', attempt)
return reply('moved')
