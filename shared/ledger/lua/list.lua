#!lua flags=no-writes
-- Returns a page of one owner's jobs, newest first. It reads records only, never image data.
-- KEYS  1 owned zset of the owner (score: the order of creation, unique)  2 queued zset
--       3 prefix of the lanes  4 prefix of the turns  5 shares hash (turns.part.lua)
-- ARGV  1 prefix of the job hashes  2 only jobs below this score (empty: from the newest)  3 maximum number of jobs
--       4 only this status (empty: any)  5 maximum number of jobs looked at, so that a rare status cannot block the server
-- Reply {score below which the next page starts, or '' at the end, {rank from 0 or -1, field, value, ...}, ...}
local owned_key, queued_key, lanes_prefix, turns_prefix, shares_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local jobs_prefix, below_score, limit, only_status, looked_at = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
-- include turns
-- include order
local below = below_score == '' and '+inf' or '(' .. below_score
local found = redis.call('ZREVRANGEBYSCORE', owned_key, below, '-inf', 'WITHSCORES', 'LIMIT', 0, looked_at)
local page = {''}
for i = 1, #found, 2 do
  if #page > limit then return page end
  local id, score = found[i], found[i + 1]
  local status = redis.call('HGET', jobs_prefix .. id, 'status')
  -- The list may still have a job whose record has expired.
  if status and (only_status == '' or status == only_status) then
    local record = redis.call('HGETALL', jobs_prefix .. id)
    table.insert(record, 1, rank_of(id))
    table.insert(page, record)
  end
  page[1] = score
end
if #found < 2 * looked_at then page[1] = '' end
return page
