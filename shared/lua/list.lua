#!lua flags=no-writes
-- A page of one owner's jobs, newest first. Records only, never image data.
-- KEYS  1 owned zset of the owner (score: the order of creation, unique)  2 queued zset
-- ARGV  1 prefix of the job hashes  2 below this score (empty: from the newest)  3 at most so many jobs
--       4 only this status (empty: any)  5 look at so many at most, so that a rare status cannot hold the server up
-- Reply {score to go on below, or '' at the end, {rank from 0 or -1, field, value, ...}, ...}
local below = ARGV[2] == '' and '+inf' or '(' .. ARGV[2]
local found = redis.call('ZREVRANGEBYSCORE', KEYS[1], below, '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[5])
local page = {''}
for i = 1, #found, 2 do
  if #page > tonumber(ARGV[3]) then return page end
  local key = ARGV[1] .. found[i]
  local status = redis.call('HGET', key, 'status')
  -- A record that has just expired is still listed for a moment.
  if status and (ARGV[4] == '' or status == ARGV[4]) then
    local record = redis.call('HGETALL', key)
    table.insert(record, 1, redis.call('ZRANK', KEYS[2], found[i]) or -1)
    table.insert(page, record)
  end
  page[1] = found[i + 1]
end
if #found < 2 * tonumber(ARGV[5]) then page[1] = '' end
return page
