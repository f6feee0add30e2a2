-- Part of the scripts that look at the room in Redis (run.py).
-- INFO costs 0.02 ms, and its figures are found by plain searches, because patterns cost twice as much again.
local function figure(info, name)
  local _, stop = string.find(info, '\n' .. name .. ':', 1, true)
  return stop and tonumber(string.match(info, '^%d+', stop + 1)) or 0
end
-- Returns the bytes used, maxmemory (0: no bound) and the bytes free for results: what is neither used nor reserved, less
-- a margin for messages and records. A server that refuses INFO to scripts has no bound.
local function memory(reserved_key)
  local info = redis.pcall('INFO', 'memory')
  if type(info) ~= 'string' then return 0, 0, 0 end
  local used, maximum = figure(info, 'used_memory'), figure(info, 'maxmemory')
  local free = math.floor(0.98 * maximum) - used
  if maximum > 0 then
    for _, reserved in ipairs(redis.call('HVALS', reserved_key)) do free = free - reserved end
  end
  return used, maximum, free
end
