-- Part of the scripts that know what owners have used. A script that includes it binds usage_prefix (then a colon, the
-- owner, a colon and the month), pending_key and shares_key before.
local DAY_MS, USAGE_KEPT_S = 86400000, 400 * 86400
-- The date of a time in UTC (H. Hinnant, chrono-compatible low-level date algorithms, civil_from_days).
local function date_of(ms)
  local days = math.floor(ms / DAY_MS) + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local years = of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)
  local year = math.floor(years / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local shifted = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * shifted + 2) / 5) + 1
  local month = shifted < 10 and shifted + 3 or shifted - 9
  return year + era * 400 + (month <= 2 and 1 or 0), month, day
end
local function month_of(ms)
  return string.format('%04d-%02d', date_of(ms))
end
-- The time until the next month begins (ms).
local function until_renewed(ms)
  local _, _, day = date_of(ms)
  local later = (math.floor(ms / DAY_MS) + 32 - day) * DAY_MS -- in the next month
  local _, _, over = date_of(later)
  return later - (over - 1) * DAY_MS - ms
end
-- Counts a job that has ended, by field: for its day and for the month.
local function count_use(owner, ms, fields)
  local usage_key = usage_prefix .. ':' .. owner .. ':' .. month_of(ms)
  local _, _, day = date_of(ms)
  for field, by in pairs(fields) do
    if by > 0 then
      by = string.format('%.0f', by)
      redis.call('HINCRBY', usage_key, string.format('%02d:%s', day, field), by)
      redis.call('HINCRBY', usage_key, 'month:' .. field, by)
    end
  end
  redis.call('EXPIRE', usage_key, USAGE_KEPT_S)
end
-- What is left of a quota (images, or ms of denoising) in this month. Jobs that have not ended count as what they ask
-- for, or as what the owner's drawings take on average.
local function left_of(owner, ms, quota_images, quota_ms)
  local usage_key = usage_prefix .. ':' .. owner .. ':' .. month_of(ms)
  if quota_images then
    local pending = tonumber(redis.call('HGET', pending_key, owner .. ':images')) or 0
    return quota_images - (tonumber(redis.call('HGET', usage_key, 'month:images')) or 0) - pending
  end
  local means = redis.call('HMGET', shares_key, 'mean:' .. owner, 'mean')
  local pending = tonumber(redis.call('HGET', pending_key, owner .. ':jobs')) or 0
  local used_ms = tonumber(redis.call('HGET', usage_key, 'month:denoise_ms')) or 0
  return quota_ms - used_ms - pending * 1000 * (tonumber(means[1] or means[2]) or 0)
end
