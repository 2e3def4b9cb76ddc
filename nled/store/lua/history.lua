-- History: a stream of the points at which something changed. Beside it a hash of the last values: what
-- is as before is no point, and the first point of each hour has them all, so that a reader finds how
-- things stood at a moment without going further back than an hour that had points.
-- What a field is recorded as, `recorded_of`, comes from domain/buckets.py, put in front of this.

local HOUR = 3600000

-- Record points {name, JSON text, ...} of a device at a time (ms), or later where it has later ones.
record = function(member, points, at)
  if untold(member) then return end
  local stream, latest = device_key(member, 'history'), device_key(member, 'latest')
  local names, changed = { '@' }, {}
  for i = 1, #points, 2 do names[#names + 1] = points[i] end
  local known = redis.call('HMGET', latest, unpack(names))
  local ms, count = (known[1] or '-1 0'):match('^(%S+) (%S+)$')
  ms, count = tonumber(ms), tonumber(count)
  for i = 1, #points, 2 do
    if known[(i + 3) / 2] ~= points[i + 1] then
      changed[#changed + 1], changed[#changed + 2] = points[i], points[i + 1]
    end
  end
  if #changed == 0 then return end

  at = math.max(math.floor(at), ms)
  count = at == ms and count + 1 or 0
  redis.call('HSET', latest, '@', string.format('%.0f %.0f', at, count), unpack(changed))
  local first = math.floor(at / HOUR) ~= math.floor(ms / HOUR)
  if first then
    changed = {}
    local flat = redis.call('HGETALL', latest)
    for i = 1, #flat, 2 do
      if flat[i] ~= '@' then changed[#changed + 1], changed[#changed + 2] = flat[i], flat[i + 1] end
    end
  end
  -- Behind a last point that lies ahead it says when it was, for `retime`.
  if ms > now + SKEW then changed[#changed + 1], changed[#changed + 2] = '@', string.format('%.0f', now) end
  -- By pcall: whatever is wrong with a history, no write of a device may fail for it.
  redis.pcall('XADD', stream, 'MAXLEN', '~', request.points, string.format('%.0f-%.0f', at, count), unpack(changed))
  if first then
    -- What is too old is dropped when the clock can be trusted (tidy.lua), not by one that may be ahead.
    live_on(stream, request.history)
    live_on(latest, request.history)
  end
end

-- An eco object counts as on by its mode, auto_away by being above 0.
local function truth(text)
  local on = text == 'true' or text:find('-eco"', 1, true) or text:find('-eco\\"', 1, true)
  return (on or (tonumber(text) or 0) > 0) and 'true' or 'false'
end

-- Record what a write to a bucket of this device, or of its home, changes: set has hash fields and values.
local function record_change(key, set)
  local recorded, points = recorded_of(type_of(key)), {}
  if not recorded then return end
  for i = 1, #set, 2 do
    local name, text = set[i]:sub(1, 2) == 'v:' and recorded[set[i]:sub(3)], set[i + 1]
    -- Series with a ? are of true and false.
    if name and name:sub(1, 1) == '?' then name, text = name:sub(2), truth(text) end
    if name and #text <= 32 then points[#points + 1], points[#points + 2] = name, text end
  end
  if #points == 0 then return end
  local members = of_home(key) and redis.call('SMEMBERS', home_key(owner, 'devices')) or { serial }
  for _, member in ipairs(members) do record(member, points, now) end
end
