#!lua
-- Creates a job, once. Refused by Redis at maxmemory, because a new job takes memory.
-- KEYS  1 job hash  2 queued zset (score: created_at plus the priority's offset)  3 deadlines zset (score: deadline_at)
--       4 events stream  5 idempotency key (string "job_id fingerprint")
--       6 prefix of the owned zsets (score: created_at, made unique); a colon and the owner follow
--       7 forget zset (member: "job_id owner", score: when the record expires)
--       8 prefix of the sets of queued jobs; a colon and the owner follow  9 reserved hash (room.py: bytes by job id)
--       10 prefix of the numbers of jobs created in a minute; a colon and the owner follow
--       11 calls zset (score: when the job is canceled)  12 twins zset (jobs of equal calls; let_go.lua)
--       13 counters hash (counters.py)  14 prefix of the lanes  15 prefix of the turns  16 shares hash (turns.part.lua)
--       17 prefix of the usage hashes  18 pending hash (usage.part.lua)  19 list of messages to the workers
--       20 image that the job starts from; it is there already  21 set of the jobs that have one, and have not ended
-- ARGV  1 job id  2 record as JSON object of strings  3 fingerprint of the request; empty: no idempotency key
--       4 idempotency TTL (s)  5 bound of the queue  6 deadline (s; 0: none)  7 bound of the events stream  8 owner
--       9 the priority's offset (ms)  10 bound of the owner's queued jobs (0: none)
--       11 bound of the owner's queued jobs of high priority (0: none)
--       12 room for the job's pixels (bytes)  13 room for its images
--       14 bound of the jobs that the owner creates in a minute (0: none)
--       15 id of the held call that asks; empty: none  16 how long its job may be joined once it is cut (ms)
--       17 how long it counts as alive (ms)  18 the twins are kept for this long (ms)  19 counter of joined jobs
--       20 the owner's weight  21 its monthly quota of images (empty: none)  22 likewise of denoising (ms)
--       23 message to the workers; empty: none  24 TTL of the image that the job starts from (s; 0: it has none)
--       25 bound of the bytes of such images, of which an owner may have half (0: none)
-- Reply {created | replayed | rejoined | conflict, left of the quota (images or ms; empty: none), rank from 0 or -1,
--        field, value, ...}: the new or the earlier job
--       {full | owner_full | owner_high_full, number of jobs counted against the bound}
--       {no_room, bytes that the job needs}
--       {image_gone, 0}: the image that it starts from has expired already
--       {inputs_full | owner_inputs_full, bytes of such images that are held}
--       {owner_quota, left of the quota, ms until it is renewed}
--       {owner_too_often, number of jobs counted against the bound, ms until the minute is over}
local job_key, queued_key, deadlines_key, events_key, idempotency_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local owned_prefix, forget_key, own_queued_prefix, reserved_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local created_prefix, calls_key, twins_key, counters_key = KEYS[10], KEYS[11], KEYS[12], KEYS[13]
local lanes_prefix, turns_prefix, shares_key = KEYS[14], KEYS[15], KEYS[16]
local usage_prefix, pending_key = KEYS[17], KEYS[18]
local messages_key = KEYS[19]
local job_id, record, fingerprint, idempotency_ttl_s = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4]
local max_queue, deadline_s, max_events, owner = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8]
local offset_ms, max_own, max_own_high = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local pixels_room, images_room, max_created = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local call_id, rejoin_ms, lease_ms, twins_kept_ms = ARGV[15], tonumber(ARGV[16]), tonumber(ARGV[17]), ARGV[18]
local rejoined_field, weight = ARGV[19], ARGV[20]
local quota_images, quota_ms = tonumber(ARGV[21]), tonumber(ARGV[22])
local message, input_key, input_ttl_s = ARGV[23], KEYS[20], tonumber(ARGV[24])
local inputs_key, max_input_bytes = KEYS[21], tonumber(ARGV[25])

-- include memory
local jobs_prefix = string.sub(job_key, 1, -#job_id - 1)
-- include turns
-- include usage
-- include order
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local now = string.format('%.0f', now_ms)
local has_quota = quota_images or quota_ms
local function reply(outcome, id)
  local left = has_quota and string.format('%.0f', left_of(owner, now_ms, quota_images, quota_ms)) or ''
  return {outcome, left, rank_of(id), unpack(redis.call('HGETALL', jobs_prefix .. id))}
end
if redis.call('EXISTS', job_key) == 1 then
  return reply('created', job_id) -- the API retries after a lost reply
end
if fingerprint ~= '' then
  local known_id, known_fingerprint = string.match(redis.call('GET', idempotency_key) or '', '^(%S+) (%S+)$')
  -- With a short JOB_TTL_SECONDS an idempotency key outlives its job's record, and then creates a new job.
  if known_id and redis.call('EXISTS', jobs_prefix .. known_id) == 1 then
    if known_fingerprint ~= fingerprint then return reply('conflict', known_id) end
    return reply('replayed', known_id)
  end
end
local function hold(id)
  redis.call('HSET', jobs_prefix .. id, 'call', call_id)
  redis.call('ZADD', calls_key, string.format('%.0f', now_ms + lease_ms + rejoin_ms), id)
  redis.call('ZADD', twins_key, 0, id)
  redis.call('PEXPIRE', twins_key, twins_kept_ms)
end
-- The job of an equal call that has ended without its answer, if it can still be had.
local function abandoned_job()
  local found
  for _, id in ipairs(redis.call('ZRANGE', twins_key, 0, -1)) do
    local twin = redis.call('HMGET', jobs_prefix .. id, 'status', 'call', 'cancel_requested', 'images_expire_at')
    local status, canceled_at = twin[1], tonumber(redis.call('ZSCORE', calls_key, id) or nil)
    local told_until = tonumber(redis.call('ZSCORE', twins_key, id))
    if twin[2] == call_id then return id end -- joined already, the reply was lost
    local lives = status == 'queued' or status == 'running' or status == 'finishing'
    local kept = status == 'succeeded' and (tonumber(twin[4]) or 0) > now_ms
    if not (lives or kept) then
      redis.call('ZREM', twins_key, id)
    elseif twin[3] ~= '1' and (canceled_at or told_until) > now_ms
      and (not canceled_at or canceled_at <= now_ms + rejoin_ms) then
      found = id
    end
  end
  return found
end
if call_id ~= '' then
  local id = abandoned_job()
  if id then
    if redis.call('HGET', jobs_prefix .. id, 'call') ~= call_id then
      redis.call('HINCRBY', counters_key, rejoined_field, 1)
    end
    hold(id)
    return reply('rejoined', id)
  end
end
local depth = redis.call('ZCARD', queued_key)
if depth >= max_queue then return {'full', depth} end
local own_queued_key = own_queued_prefix .. ':' .. owner
if max_own > 0 then
  local own_depth = redis.call('SCARD', own_queued_key)
  if own_depth >= max_own then return {'owner_full', own_depth} end
end
-- Only the offset of high priority is negative, so its jobs are those with a negative score.
if max_own_high > 0 and offset_ms < 0 then
  local own_high = 0
  for _, id in ipairs(redis.call('SMEMBERS', own_queued_key)) do
    if tonumber(redis.call('ZSCORE', queued_key, id) or 0) < 0 then own_high = own_high + 1 end
  end
  if own_high >= max_own_high then return {'owner_high_full', own_high} end
end
local _, maximum, free = memory(reserved_key)
if maximum > 0 and pixels_room + images_room > free then
  return {'no_room', pixels_room + images_room}
end
-- Bytes of the images that jobs start from which have not ended: of all, and of the owner. A move deletes the image.
local function bytes_of_inputs()
  local all, own, prefix = 0, 0, string.sub(input_key, 1, -#job_id - 3)
  for _, id in ipairs(redis.call('SMEMBERS', inputs_key)) do
    local bytes = redis.call('STRLEN', prefix .. id .. ':0')
    if bytes == 0 then redis.call('SREM', inputs_key, id) end
    all = all + bytes
    if redis.call('HGET', jobs_prefix .. id, 'owner') == owner then own = own + bytes end
  end
  return all, own
end
if input_ttl_s > 0 then
  local bytes, all, own = redis.call('STRLEN', input_key), bytes_of_inputs()
  if bytes == 0 then return {'image_gone', 0} end
  local has_bound = max_input_bytes > 0
  if has_bound and all + bytes > max_input_bytes then return {'inputs_full', all} end
  if has_bound and owner ~= '' and own + bytes > max_input_bytes / 2 then return {'owner_inputs_full', own} end
end
local images = tonumber(record.num_images) or 1
if has_quota then
  local left = left_of(owner, now_ms, quota_images, quota_ms)
  if left < (quota_images and images or 1) then return {'owner_quota', left, until_renewed(now_ms)} end
end
-- The minute begins with the first job of it. Only jobs that are created count, whether they are queued still or not.
if max_created > 0 then
  local created_key = created_prefix .. ':' .. owner
  local created = tonumber(redis.call('GET', created_key) or 0)
  if created >= max_created then return {'owner_too_often', created, redis.call('PTTL', created_key)} end
  if redis.call('INCR', created_key) == 1 then redis.call('EXPIRE', created_key, 60) end
end

local flat = {}
for field, value in pairs(record) do
  flat[#flat + 1], flat[#flat + 2] = field, value
end
redis.call('HSET', job_key, unpack(flat))
redis.call('HSET', job_key, 'created_at', now, 'pixels_room', pixels_room, 'images_room', images_room,
  'pending', '1')
redis.call('HINCRBY', pending_key, owner .. ':jobs', 1)
redis.call('HINCRBY', pending_key, owner .. ':images', images)
if deadline_s > 0 then
  local deadline = string.format('%.0f', now_ms + deadline_s * 1000)
  redis.call('HSET', job_key, 'deadline_at', deadline)
  redis.call('ZADD', deadlines_key, deadline, job_id)
end
-- The score is stored in the record, for when the job is requeued.
local score = string.format('%.0f', now_ms + offset_ms)
redis.call('HSET', job_key, 'queue_score', score)
redis.call('ZADD', queued_key, score, job_id)
redis.call('SADD', own_queued_key, job_id)
if input_ttl_s > 0 then
  redis.call('EXPIRE', input_key, input_ttl_s)
  redis.call('SADD', inputs_key, job_id)
end
if weight == '1' then
  redis.call('HDEL', shares_key, 'weight:' .. owner)
else
  redis.call('HSET', shares_key, 'weight:' .. owner, weight)
end
enqueue(job_id, score, owner)
-- Each creation adds one job to its owner's list and removes up to ten expired ones, so that lists do not outgrow the
-- records.
local owned_key = owned_prefix .. ':' .. owner
local newest = redis.call('ZRANGE', owned_key, -1, -1, 'WITHSCORES')
redis.call('ZADD', owned_key, string.format('%.0f', math.max(now_ms, (tonumber(newest[2]) or 0) + 1)), job_id)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', forget_key, '-inf', now, 'LIMIT', 0, 10)) do
  local gone_id, gone_owner = string.match(gone, '^(%S+) (%S*)$')
  redis.call('ZREM', owned_prefix .. ':' .. gone_owner, gone_id)
  redis.call('ZREM', forget_key, gone)
end
if call_id ~= '' then hold(job_id) end
if fingerprint ~= '' then
  redis.call('SET', idempotency_key, job_id .. ' ' .. fingerprint, 'EX', idempotency_ttl_s)
end
redis.call('XADD', events_key, 'MAXLEN', '~', max_events, '*', 'job_id', job_id, 'status', 'queued', 'attempt', '0')
if message ~= '' then redis.call('LPUSH', messages_key, message) end
return reply('created', job_id)
