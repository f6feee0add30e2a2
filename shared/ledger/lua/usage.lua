#!lua flags=no-writes
-- Returns what an owner has used in some months, and what is left of its quota.
-- KEYS  1 prefix of the usage hashes  2 pending hash  3 shares hash (turns.part.lua)  4... usage hashes of the months
-- ARGV  1 owner  2 quota of images (empty: none)  3 quota of denoising (ms; empty: none)
-- Reply {time (ms), left of the quota (images or ms; empty: none), ms until it is renewed, {field, value, ...} of each month}
local usage_prefix, pending_key, shares_key = KEYS[1], KEYS[2], KEYS[3]
local owner, quota_images, quota_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
-- include usage
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local left = ''
if quota_images or quota_ms then left = string.format('%.0f', left_of(owner, now_ms, quota_images, quota_ms)) end
local reply = {now_ms, left, until_renewed(now_ms)}
for i = 4, #KEYS do table.insert(reply, redis.call('HGETALL', KEYS[i])) end
return reply
