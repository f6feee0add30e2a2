-- Part of the scripts that know whose turn it is: within a priority the next job is of the owner that has had least of the
-- cards lately (docs/decisions/0026-fair-shares.md). A script that includes it binds queued_key, lanes_prefix,
-- turns_prefix, shares_key and jobs_prefix before.
-- An owner's turn comes at a virtual time: what it has had, in seconds of denoising over its weight. The owner with the
-- least is next; of equal ones, the one whose first job is older. Who comes back begins at the clock `now`, which is the
-- latest turn that was taken: nothing is saved up while an owner asks for nothing. Of those who come back at one reading
-- of the clock, each begins BETWEEN_S after the one before it, `last`, so that few are equal.
-- LATELY_S bounds what one gets ahead that waited behind jobs of a higher priority.
local LATELY_S, FIRST_DRAWING_S, SHORTEST_S, BETWEEN_S = 300, 10, 0.001, 0.000001
local PRIORITIES = {'high', 'normal', 'low'}
local LOWEST_SCORE = {high = '-inf', normal = '0', low = '10000000000000'} -- keys.py, QUEUE_OFFSETS
local function priority_of(score)
  score = tonumber(score)
  return score < 0 and 'high' or score < tonumber(LOWEST_SCORE.low) and 'normal' or 'low'
end
local function lane_of(priority, owner)
  return lanes_prefix .. ':' .. priority .. ':' .. owner
end
local function exact(number)
  return string.format('%.17g', number)
end
local function is_older(score, id, other_score, other_id)
  score, other_score = tonumber(score), tonumber(other_score)
  return score < other_score or (score == other_score and id < other_id)
end

-- Returns what a drawing of the owner is expected to cost (virtual s), its weight, what it has had and the clock.
local function cost_of(owner)
  local found = redis.call('HMGET', shares_key, 'mean:' .. owner, 'mean', 'weight:' .. owner, 'served:' .. owner, 'now')
  local weight = tonumber(found[3]) or 1
  local cost = math.max(SHORTEST_S, tonumber(found[1] or found[2]) or FIRST_DRAWING_S) / weight
  return cost, weight, tonumber(found[4]) or 0, tonumber(found[5]) or 0
end
-- The least that an owner's turn counts as.
local function floor_of_turns()
  return (tonumber(redis.call('HGET', shares_key, 'now')) or 0) - LATELY_S
end

local function enqueue(id, score, owner)
  local priority = priority_of(score)
  redis.call('ZADD', lane_of(priority, owner), score, id)
  local turns_key, at = turns_prefix .. ':' .. priority, nil
  if redis.call('ZSCORE', turns_key, owner) then return end
  for _, other in ipairs(PRIORITIES) do
    at = at or redis.call('ZSCORE', turns_prefix .. ':' .. other, owner)
  end
  if not at then
    local found = redis.call('HMGET', shares_key, 'served:' .. owner, 'now', 'last')
    local clock, last = tonumber(found[2]) or 0, tonumber(found[3]) or -1
    -- Where the clock is ahead of all that wait, it was set by expectations that proved too high.
    local least = redis.call('ZRANGE', turns_key, 0, 0, 'WITHSCORES')[2]
    if least then clock = math.min(clock, math.max(tonumber(least), clock - LATELY_S)) end
    if last >= clock and last < clock + 1 then clock = last + BETWEEN_S end
    at = exact(math.max(tonumber(found[1]) or 0, clock))
    redis.call('HSET', shares_key, 'served:' .. owner, at, 'last', exact(clock))
  end
  redis.call('ZADD', turns_key, at, owner)
end
local function dequeue(id, score, owner)
  local priority = priority_of(score)
  local lane = lane_of(priority, owner)
  if redis.call('ZREM', lane, id) == 1 and redis.call('EXISTS', lane) == 0 then
    redis.call('ZREM', turns_prefix .. ':' .. priority, owner)
  end
end
local function set_turn(owner, at)
  for _, priority in ipairs(PRIORITIES) do
    redis.call('ZADD', turns_prefix .. ':' .. priority, 'XX', at, owner)
  end
end
-- The owner takes its turn. Returns what it is charged until the drawing's time is known (virtual s).
local function take_turn(owner)
  local cost, _, served, clock = cost_of(owner)
  local at = math.max(served, clock - LATELY_S)
  local after = exact(at + cost)
  redis.call('HSET', shares_key, 'served:' .. owner, after, 'now', exact(math.max(clock, at)))
  set_turn(owner, after)
  return exact(cost)
end
-- Puts the time that a drawing took in the place of what was charged for it.
local function settle_turn(owner, charged, seconds)
  local _, weight = cost_of(owner)
  set_turn(owner, redis.call('HINCRBYFLOAT', shares_key, 'served:' .. owner, exact(seconds / weight - charged)))
end
local function learn_cost(owner, seconds)
  local means = redis.call('HMGET', shares_key, 'mean:' .. owner, 'mean')
  local function fold(mean)
    mean = tonumber(mean) or seconds
    return string.format('%.6f', mean + 0.2 * (seconds - mean))
  end
  redis.call('HSET', shares_key, 'mean:' .. owner, fold(means[1]), 'mean', fold(means[2]))
end

-- The owners of a priority of whom the one with the older job is next; usually one.
local function owners_next(priority)
  local turns_key = turns_prefix .. ':' .. priority
  local found = redis.call('ZRANGE', turns_key, 0, 1, 'WITHSCORES')
  if #found < 4 then return {found[1]} end
  local equal = math.max(tonumber(found[2]), floor_of_turns())
  if tonumber(found[4]) > equal then return {found[1]} end
  return redis.call('ZRANGEBYSCORE', turns_key, '-inf', exact(equal))
end
-- The id of the job that is next, its score and its owner; nothing if no owner waits.
local function next_in_turn()
  for _, priority in ipairs(PRIORITIES) do
    local id, score, owner
    for _, other in ipairs(owners_next(priority)) do
      local first = redis.call('ZRANGE', lane_of(priority, other), 0, 0, 'WITHSCORES')
      if first[1] and (not id or is_older(first[2], first[1], score, id)) then
        id, score, owner = first[1], first[2], other
      end
    end
    if id then return id, score, owner end
  end
end
