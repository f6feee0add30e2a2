#!lua flags=allow-oom
-- Folds measurements into exponentially weighted means. Allowed at maxmemory: a model has only a few fields.
-- KEYS  1 pace hash of a model
-- ARGV  1 weight of a new measurement  2 JSON object of objects, field to number:
--         mean     folded into the field's mean; the first measurement is the mean
--         first    set only if the field does not exist
--         largest  set only if larger than the field
--         last     always set
-- Reply OK
local pace_key = KEYS[1]
local weight, measured = ARGV[1], cjson.decode(ARGV[2])
for field, value in pairs(measured.mean or {}) do
  local mean = tonumber(redis.call('HGET', pace_key, field)) or value
  redis.call('HSET', pace_key, field, string.format('%.6f', mean + weight * (value - mean)))
end
for field, value in pairs(measured.first or {}) do
  redis.call('HSETNX', pace_key, field, string.format('%.6f', value))
end
for field, value in pairs(measured.largest or {}) do
  local known = tonumber(redis.call('HGET', pace_key, field)) or 0
  redis.call('HSET', pace_key, field, math.max(known, value))
end
for field, value in pairs(measured.last or {}) do
  redis.call('HSET', pace_key, field, value)
end
return 'OK'
