-- How things stand: which home a device has, whether it is known, and how far writes have come.

-- A device that nobody has claimed has a user and a structure of its own, once they are needed.
local DEFAULT_USER, DEFAULT_HOME = 'user.' .. NO_HOME, 'structure.' .. NO_HOME

local function type_of(key) return key:match('^[^.]+') end

-- Whether a bucket is of a home that the device is not in. One that it was in it goes on listing for a while:
-- nothing of that is kept, its name would be.
local function elsewhere(key)
  if not is_of_home(type_of(key)) then return false end
  for _, own in ipairs(home_keys) do
    if key == own then return false end
  end
  return true
end

-- The home's buckets come first, in their order.
local function with_home_first(keys)
  local first, rest = {}, {}
  for _, key in ipairs(home_keys) do first[key] = owner or false end
  for _, key in ipairs(keys) do
    if first[key] == nil then rest[#rest + 1] = key else first[key] = true end
  end
  for i = #home_keys, 1, -1 do
    if first[home_keys[i]] then table.insert(rest, 1, home_keys[i]) end
  end
  return rest
end

-- What was written to the device of a bucket: up to which timestamp, when last, in how many answers what it still
-- needs, up to which timestamp those are counted; and up to which it counts as taken where the device does not list the
-- bucket. Tries from before its last entry count no more: it began anew, and may have lost all it was written.
local function offered(view)
  local pushed, at, tries, counted, taken = unpack(redis.call('HMGET', view, 'p', 'pa', 'n', 'o', 'u'))
  -- Before tries were counted up to a timestamp, what had been read once counted as taken.
  if not counted then counted, taken = pushed, pushed end
  pushed, at = tonumber(pushed or 0), tonumber(at or 0)
  if not counted or past(at) <= past(numbers(facts, 'entry')) then return pushed, at, 0, 0, 0 end
  return pushed, at, tonumber(tries or 0), tonumber(counted), tonumber(taken or 0)
end

-- How far a server write of a field has come on its way to the device.
local function progress(name, stamp, acked, pushed, never)
  if never[name] == stamp.revision then return 'expired' end
  if stamp.timestamp <= acked then return 'acknowledged' end
  if expired(stamp) then return 'expired' end
  return stamp.timestamp <= pushed and 'pushed' or 'queued'
end

-- Whether the device was met and is still remembered (expire.lua), or is owned; and when it came last.
local function known()
  local seen = redis.call('ZSCORE', DEVICES, serial)
  return owner or seen, seen
end

local RANK = { queued = 1, pushed = 2, expired = 3, acknowledged = 4 }

-- How far the server's writes of some fields of a bucket have come, at the slowest, and the newest timestamp
-- among them. `minted`: the timestamp those writes were first given, or an earlier one.
local function delivery(key, names, minted)
  local content, view = locate(key)
  local acked, pushed, never = unpack(redis.call('HMGET', view, 'a', 'p', 'x'))
  acked, pushed, never = tonumber(acked or 0), tonumber(pushed or 0), missed(never)
  local slowest, newest = 'acknowledged', 0
  for _, name in ipairs(names) do
    local text = redis.call('HGET', content, 's:' .. name)
    local stamp = text and stamp_of(text)
    -- Without a stamp the device has written the field since: it had ours before, or ours came to nothing.
    local state = acked < minted and 'expired' or 'acknowledged'
    if stamp then
      state, newest = progress(name, stamp, acked, pushed, never), math.max(newest, stamp.timestamp)
    end
    if RANK[state] < RANK[slowest] then slowest = state end
  end
  return slowest, newest
end
