#!lua flags=allow-oom
-- Moves a job from one state to another by an atomic compare-and-set. Allowed at maxmemory: moves end jobs, which frees
-- memory.
-- KEYS  1 job hash; without a job id the prefix of all  2 queued zset  3 leases zset (score: expiry)  4 deadlines zset  5 events stream
--       6 prefix of the raw pixels; a colon and the attempt follow; without a job id the prefix of all jobs' pixels
--       7 forget zset (member: "job_id owner", score: when the record expires)
--       8 prefix of the sets of queued jobs; a colon and the owner follow  9 counters hash (counters.py)
--       10 webhooks zset (score: when the webhook is due)  11 reserved hash (room.py: bytes by job id)
--       12 images zset (score: when the job's images expire)
--       13 held hash (field: a worker's name; value: the job that it draws)
--       14 calls zset (score: when the job of a call that was cut is canceled)
--       15 prefix of the owned zsets; a colon and the owner follow
--       16 prefix of the lanes  17 prefix of the turns  18 shares hash (turns.part.lua)
--       19 prefix of the usage hashes  20 pending hash (usage.part.lua)  21 users zset (score: when they last used something)
--       22 number of forgotten jobs (string)  23 prefix of the images that jobs start from; the job's id and ':0' follow
--       24 list of messages to the workers  25 set of the jobs that start from an image and have not ended
-- ARGV  1 job id; empty for a claim of the job whose turn it is  2 the move as a JSON object (moves.py, class Move):
--         to             the state to enter
--         from           the states from which it may be entered
--         flag_from      states in which cancel_requested is set instead (a running job is canceled by its worker)
--         attempt        expected fencing token; absent: any
--         owner          expected owner; absent: any
--         abandoned      refused unless that time has passed; it is forgotten
--         unless_leased  refused while the lease is valid: its holder renewed it after the caller had read the job
--         again          allows a move from a state to itself (a new lease)
--         claim          the delivery that claims the job: attempt + 1, up to max_attempts; only with room for its result.
--                        `set` names the worker
--         set            fields to write
--         stamp          field set to the time of the move
--         stamp_later    fields set to the time of the move plus so many ms
--         lease_ms       new lease; absent: the job has none
--         ttl_s          TTL of the record, unless its owner has one of its own; absent: unchanged
--         webhook_ttl_s  the least that this TTL is if a webhook has to be delivered
--         unclaimed_ttl_s  the most that this TTL may be if no attempt was made and no webhook has to be delivered
--         forget         the record goes as the job ends (forget.lua has the rest); of a flagged job, once its worker ends it
--         lost           the drawing ends without a result, and not by its owner: it costs the owner nothing
--         max_events     bound of the events stream
--         count          what to add to the counters, by field
--         message        pushed to the list, unless the job is to be canceled
--         stage          {name, since, bounds}: counts the time (ms) from the record's field `since` to now
-- Reply {outcome, field, value, ...}: moved | already | flagged | refused | exhausted | no_room | missing | empty
local job_key, queued_key, leases_key, deadlines_key, events_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local pixels_prefix, forget_key, own_queued_prefix, counters_key, webhooks_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local reserved_key, images_key, held_key, calls_key = KEYS[11], KEYS[12], KEYS[13], KEYS[14]
local owned_prefix, lanes_prefix, turns_prefix, shares_key = KEYS[15], KEYS[16], KEYS[17], KEYS[18]
local usage_prefix, pending_key, users_key, forgotten_key = KEYS[19], KEYS[20], KEYS[21], KEYS[22]
local input_prefix, messages_key, inputs_key = KEYS[23], KEYS[24], KEYS[25]
local job_id, move = ARGV[1], cjson.decode(ARGV[2])
local jobs_prefix = string.sub(job_key, 1, -#job_id - 1)

-- include memory
-- include turns
-- include usage
local function has(list, value)
  for _, item in ipairs(list or {}) do
    if item == value then return true end
  end
  return false
end
local function reply(outcome)
  local record = redis.call('HGETALL', job_key)
  table.insert(record, 1, outcome)
  return record
end

-- The job that this delivery has claimed already, whose reply was lost; else the one whose turn it is.
local function next_job()
  local held_id = redis.call('HGET', held_key, move.set.worker)
  if held_id and redis.call('HGET', job_key .. held_id, 'claim') == move.claim then return held_id end
  while true do
    local first, score, lane_owner = next_in_turn()
    -- Without it there may be jobs that an older version queued.
    first = first or redis.call('ZRANGE', queued_key, 0, 0)[1]
    if not first or redis.call('HGET', job_key .. first, 'status') == 'queued' then return first end
    -- No move leaves such an entry, but a record can be deleted by hand, and it must not hold up the others.
    redis.call('ZREM', queued_key, first)
    if score then dequeue(first, score, lane_owner) end
  end
end
if job_id == '' then
  job_id = next_job()
  if not job_id then return {'empty'} end
  job_key, pixels_prefix = job_key .. job_id, pixels_prefix .. job_id
end

local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local now = string.format('%.0f', now_ms)
if move.abandoned then
  local canceled_at = redis.call('ZSCORE', calls_key, job_id)
  if not canceled_at or tonumber(canceled_at) > now_ms then return reply('refused') end
  redis.call('ZREM', calls_key, job_id)
end
local record = redis.call('HMGET', job_key, 'status', 'attempt', 'owner', 'claim', 'worker', 'pixels_room', 'images_room',
  'queue_score', 'created_at', 'started_at', 'charged')
local status, attempt, owner, claim = record[1], tonumber(record[2]), record[3] or '', record[4]
-- Records written before there was a check for room reserve nothing.
local worker, pixels_room, images_room = record[5], tonumber(record[6]) or 0, tonumber(record[7]) or 0
-- Records written before priorities existed have no queue_score; their priority is normal, whose offset is 0.
local queue_score = record[8] or record[9]
local started_at, charged = tonumber(record[10]) or now_ms, tonumber(record[11]) or 0
if not status or (move.owner and move.owner ~= owner) then return {'missing'} end

-- A caller that retries after a lost reply finds its own move done.
if move.claim and status == move.to and claim == move.claim then return reply('already') end
if not move.claim and not move.again and status == move.to and (not move.attempt or move.attempt == attempt) then
  return reply('already')
end
if move.attempt and move.attempt ~= attempt then return reply('refused') end
if move.unless_leased then
  local expiry = redis.call('ZSCORE', leases_key, job_id)
  if expiry and tonumber(expiry) > now_ms then return reply('refused') end
end
if has(move.flag_from, status) then
  redis.call('HSET', job_key, 'cancel_requested', '1')
  if move.forget then redis.call('HSET', job_key, 'forget_requested', '1') end
  return reply('flagged')
end
if not has(move.from, status) then return reply('refused') end
local drawn = attempt
if move.claim then
  if attempt >= move.max_attempts then return reply('exhausted') end
  local _, maximum, free = memory(reserved_key)
  if maximum > 0 and pixels_room + images_room > free then return reply('no_room') end
  attempt = redis.call('HINCRBY', job_key, 'attempt', 1)
  redis.call('HSET', job_key, 'claim', move.claim, 'charged', take_turn(owner))
  redis.call('HSET', held_key, move.set.worker, job_id)
elseif worker and redis.call('HGET', held_key, worker) == job_id then
  redis.call('HDEL', held_key, worker)
end

redis.call('HSET', job_key, 'status', move.to)
for field, value in pairs(move.set or {}) do
  redis.call('HSET', job_key, field, value)
end
if move.stamp then redis.call('HSET', job_key, move.stamp, now) end
for field, later_ms in pairs(move.stamp_later or {}) do
  redis.call('HSET', job_key, field, string.format('%.0f', now_ms + later_ms))
end
local own_queued_key = own_queued_prefix .. ':' .. owner
if move.to == 'queued' then
  redis.call('ZADD', queued_key, queue_score, job_id)
  redis.call('SADD', own_queued_key, job_id)
  enqueue(job_id, queue_score, owner)
else
  redis.call('SREM', own_queued_key, job_id)
  if redis.call('ZREM', queued_key, job_id) == 1 then dequeue(job_id, queue_score, owner) end
end
if status == 'running' then
  local took_ms = move.lost and 0 or math.max(0, now_ms - started_at)
  settle_turn(owner, charged, took_ms / 1000)
  if move.to == 'finishing' then learn_cost(owner, took_ms / 1000) end
  redis.call('HSET', job_key, 'denoise_ms', string.format('%.0f', took_ms))
end
if move.lease_ms then
  redis.call('ZADD', leases_key, string.format('%.0f', now_ms + move.lease_ms), job_id)
else
  redis.call('ZREM', leases_key, job_id)
end
-- While it is finished, a job's pixels are stored already.
local reserved = move.to == 'running' and pixels_room + images_room or move.to == 'finishing' and images_room or 0
if reserved > 0 then
  redis.call('HSET', reserved_key, job_id, string.format('%.0f', reserved))
else
  redis.call('HDEL', reserved_key, job_id)
end
if move.to == 'succeeded' then
  redis.call('ZADD', images_key, redis.call('HGET', job_key, 'images_expire_at') or now, job_id)
  redis.call('ZREMRANGEBYSCORE', images_key, '-inf', '(' .. now)
end
-- The pixels are deleted whenever the job does not enter finishing: a killed attempt may have stored them before its
-- move.
if move.to ~= 'finishing' and move.to ~= status then
  local pixels_key = pixels_prefix .. ':' .. drawn
  redis.call('UNLINK', pixels_key, pixels_key .. ':unfinished')
end
for field, by in pairs(move.count or {}) do
  redis.call('HINCRBY', counters_key, field, string.format('%.0f', by))
end
-- The queued stage is counted for the first attempt only: before a later one, the time includes the earlier drawing.
if move.stage and (move.stage.name ~= 'queued' or attempt == 1) then
  local took_ms = math.max(0, now_ms - redis.call('HGET', job_key, move.stage.since))
  local bucket = '+Inf'
  for _, bound in ipairs(move.stage.bounds) do
    if took_ms <= bound then
      bucket = string.format('%.0f', bound)
      break
    end
  end
  redis.call('HINCRBY', counters_key, 'stage:' .. move.stage.name .. ':' .. bucket, 1)
  redis.call('HINCRBY', counters_key, 'stage:' .. move.stage.name .. ':sum', string.format('%.0f', took_ms))
end
if move.ttl_s then
  redis.call('ZREM', deadlines_key, job_id)
  redis.call('UNLINK', input_prefix .. job_id .. ':0')
  redis.call('SREM', inputs_key, job_id)
  local drawn = redis.call('HMGET', job_key, 'num_images', 'denoise_ms', 'pending')
  local images, succeeded = tonumber(drawn[1]) or 1, move.to == 'succeeded'
  count_use(owner, now_ms, {
    [move.to] = 1,
    images = succeeded and images or 0,
    pixels = succeeded and (move.count or {}).pixels or 0,
    denoise_ms = tonumber(drawn[2]) or 0,
  })
  redis.call('ZADD', users_key, now, owner)
  -- Those that an older version created were not counted as pending.
  if drawn[3] then
    redis.call('HINCRBY', pending_key, owner .. ':jobs', -1)
    redis.call('HINCRBY', pending_key, owner .. ':images', -images)
  end
end
local forgotten = move.ttl_s and (move.forget or redis.call('HGET', job_key, 'forget_requested') == '1')
if move.ttl_s and not forgotten then
  local kept = redis.call('HMGET', job_key, 'webhook_url', 'job_ttl_seconds')
  local ttl_s, has_webhook, own_s = move.ttl_s, (kept[1] or '') ~= '', tonumber(kept[2]) or 0
  -- The owner's own, but as long as its images at least.
  if own_s > 0 then ttl_s = math.max(own_s, ((move.stamp_later or {}).images_expire_at or 0) / 1000) end
  if has_webhook then ttl_s = math.max(ttl_s, move.webhook_ttl_s) end
  if move.unclaimed_ttl_s and attempt == 0 and not has_webhook then ttl_s = math.min(ttl_s, move.unclaimed_ttl_s) end
  redis.call('EXPIRE', job_key, ttl_s)
  redis.call('ZADD', forget_key, string.format('%.0f', now_ms + ttl_s * 1000), job_id .. ' ' .. owner)
  if has_webhook then redis.call('ZADD', webhooks_key, now, job_id) end
end
redis.call('XADD', events_key, 'MAXLEN', '~', move.max_events, '*',
  'job_id', job_id, 'status', move.to, 'attempt', attempt)
if move.message and redis.call('HGET', job_key, 'cancel_requested') ~= '1' then
  redis.call('LPUSH', messages_key, move.message)
end
local ended = reply('moved')
if forgotten then
  redis.call('UNLINK', job_key)
  redis.call('ZREM', owned_prefix .. ':' .. owner, job_id)
  redis.call('ZREM', images_key, job_id)
  redis.call('INCR', forgotten_key)
end
return ended
