-- Part of the scripts that tell in which order the turns are expected to come; it needs turns.part.lua. An order that is
-- told holds if drawings take as long as those before them, and nobody comes or goes.
-- The owners that have jobs of a priority: when the turn of each comes, once its jobs of higher priorities are taken,
-- what each of its jobs is expected to cost, and how many there are.
local lines = {}
local function line_of(priority)
  if lines[priority] then return lines[priority] end
  local line, floor = {}, floor_of_turns()
  local found = redis.call('ZRANGE', turns_prefix .. ':' .. priority, 0, -1, 'WITHSCORES')
  for i = 1, #found, 2 do
    local owner, before = found[i], 0
    for _, higher in ipairs(PRIORITIES) do
      if higher == priority then break end
      before = before + redis.call('ZCARD', lane_of(higher, owner))
    end
    local cost = cost_of(owner)
    table.insert(line, {
      owner = owner,
      at = math.max(tonumber(found[i + 1]), floor) + before * cost,
      cost = cost,
      count = redis.call('ZCARD', lane_of(priority, owner)),
    })
  end
  lines[priority] = line
  return line
end
-- How many jobs of `other` come before a job whose turn is at `at`.
local function ahead(other, at, score, id, priority)
  local function turn(index) return other.at + index * other.cost end
  local count = math.max(0, math.min(other.count, math.ceil((at - other.at) / other.cost)))
  while count > 0 and turn(count - 1) >= at do count = count - 1 end
  while count < other.count and turn(count) < at do count = count + 1 end
  if count < other.count and turn(count) == at then
    local equal = redis.call('ZRANGE', lane_of(priority, other.owner), count, count, 'WITHSCORES')
    if is_older(equal[2], equal[1], score, id) then count = count + 1 end
  end
  return count
end
-- The rank of a queued job from 0, as the turns are expected to come; -1 if it is not queued.
local function rank_of(id)
  local score = redis.call('ZSCORE', queued_key, id)
  if not score then return -1 end
  local priority, owner = priority_of(score), redis.call('HGET', jobs_prefix .. id, 'owner') or ''
  local index = redis.call('ZRANK', lane_of(priority, owner), id)
  -- One of an older version, which the sweeper puts into its lane.
  if not index then return redis.call('ZRANK', queued_key, id) end
  local rank, line, own = index, line_of(priority), nil
  if priority ~= 'high' then
    rank = rank + redis.call('ZCOUNT', queued_key, '-inf', '(' .. LOWEST_SCORE[priority])
  end
  for _, one in ipairs(line) do
    if one.owner == owner then own = one end
  end
  for _, other in ipairs(line) do
    if own and other ~= own then rank = rank + ahead(other, own.at + index * own.cost, score, id, priority) end
  end
  return rank
end
-- The ids of the first `limit` queued jobs, as the turns are expected to come.
local function in_turn(limit)
  local ids, known = {}, {}
  for _, priority in ipairs(PRIORITIES) do
    local waiting = {}
    for _, one in ipairs(line_of(priority)) do
      local lane = redis.call('ZRANGE', lane_of(priority, one.owner), 0, limit - 1, 'WITHSCORES')
      for i = 1, #lane, 2 do
        table.insert(waiting, {at = one.at + (i - 1) / 2 * one.cost, score = tonumber(lane[i + 1]), id = lane[i]})
      end
    end
    table.sort(waiting, function(a, b)
      if a.at ~= b.at then return a.at < b.at end
      return is_older(a.score, a.id, b.score, b.id)
    end)
    for _, job in ipairs(waiting) do
      if #ids < limit then
        table.insert(ids, job.id)
        known[job.id] = true
      end
    end
  end
  if #ids < math.min(limit, redis.call('ZCARD', queued_key)) then
    for _, id in ipairs(redis.call('ZRANGE', queued_key, 0, -1)) do
      if not known[id] and #ids < limit then table.insert(ids, id) end
    end
  end
  return ids
end
