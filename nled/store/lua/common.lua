-- What every script starts with: the request, the device it is about, where its buckets live, and the
-- notices of changes. The names of keys come from keys.py, put in front of this.

local request = cjson.decode(ARGV[1])
local now = request.now
-- The device that all below is about.
local serial, facts, index, owner, structure
-- The keys of its home's buckets, in the order in which it is told of them; its own ones while nobody has claimed it.
local home_keys
-- Its place, once it was read; false for none.
local place
-- Puts points into a device's history, set by history.lua; notes a contact in a place, set by room.lua.
local record, stay

-- Let the device be of a home, or of none; what that changes in the store is said in home.lua.
local function belong_to(user, home)
  owner, structure = user, home
  home_keys = keys_of_home(user or NO_HOME, home or NO_HOME)
end

local function turn_to(device)
  serial, place = device, nil
  facts, index = device_key(serial, 'facts'), device_key(serial, 'buckets')
  belong_to(unpack(redis.call('HMGET', device_key(serial, 'owner'), 'user', 'structure')))
end

turn_to(request.serial)

local function given(value) return value ~= nil and value ~= cjson.null end

-- Whether a bucket exists once for all devices of the home, and not for this one.
local function of_home(key)
  if not owner then return false end
  for i = 1, #home_keys do
    if key == home_keys[i] then return true end
  end
  return false
end

-- The content of a bucket, and this device's view of it (claims, acknowledgements, pushes). They are
-- one hash, except for a home's buckets.
local function locate(key)
  local view = device_key(serial, 'bucket:' .. key)
  return of_home(key) and home_key(owner, 'bucket:' .. key) or view, view
end

local function numbers(key, ...)
  local found = redis.call('HMGET', key, ...)
  for i = 1, #found do found[i] = tonumber(found[i] or 0) end
  return unpack(found)
end

local function stamp_of(text)
  local revision, timestamp, at, kind = text:match('^(%d+) (%d+) (%d+) (%a)$')
  return { revision = tonumber(revision), timestamp = tonumber(timestamp), at = tonumber(at), kind = kind }
end

local function stamp_text(revision, timestamp, at, kind)
  return string.format('%.0f %.0f %.0f %s', revision, timestamp, at, kind)
end

-- A stored time, or 0 where it lies ahead by more than the clocks of two machines differ: the clock was wrong then or
-- is wrong now, and how long ago it was nobody knows. It counts as long past, or what waits for it would hang as long.
local SKEW = 60000
local function past(at) return at <= now + SKEW and at or 0 end

local function expired(stamp)
  return stamp.kind ~= 's' and past(stamp.at) + request.momentary <= now
end

-- Let a key live on, and never for less than it would. Redis goes by the clock of its machine, which may be wrong: the
-- lifetime is far longer than nled keeps anything (store/scripts.py), and counts from the release of this version at
-- the earliest, since a machine without a clock of its own begins in 1970.
local function live_on(key, life)
  life = life or request.ttl
  if redis.call('PTTL', key) >= life * 0.99 then return end
  local time = tonumber(redis.call('TIME')[1]) * 1000
  redis.call('PEXPIRE', key, string.format('%.0f', life + math.max(0, request.released - time)))
end

-- The writes that went stale before the device took them, as the view remembers them: revision by field. What
-- the device claims later passes over them as if they had arrived.
local function missed(text) return text and cjson.decode(text) or {} end

local function miss(view, name, stamp)
  local writes = missed(redis.call('HGET', view, 'x'))
  if writes[name] == stamp.revision then return end
  writes[name] = stamp.revision
  redis.call('HSET', view, 'x', cjson.encode(writes))
end

-- All server writes of a bucket by field name, and all its values.
local function contents(content)
  local flat, stamps, values = redis.call('HGETALL', content), {}, {}
  for i = 1, #flat, 2 do
    local what, name = flat[i]:sub(1, 2), flat[i]:sub(3)
    if what == 's:' then stamps[name] = stamp_of(flat[i + 1]) end
    if what == 'v:' then values[name] = flat[i + 1] end
  end
  return stamps, values
end

-- What a field counts for: it takes up more than its name and its text.
local function size_of(name, text) return #name + #text + 64 end

-- Fields that a notice names, as a JSON array: so few and so short that no device can fill the store.
local function names_text(names)
  local told = {}
  for _, name in ipairs(names or {}) do
    if #told == 32 then break end
    if #name <= 64 then told[#told + 1] = name end
  end
  return #told > 0 and cjson.encode(told) or '[]'
end

-- Whether the device that this is about is one of so many that it is not told of (room.lua).
local function untold(member) return member == serial and place and not place.told end

-- Tell of a device or, as '@USER', of a home. Every process waits at the stream for it, and the stream keeps it for
-- whoever comes back and asks what was missed.
local function tell(whose, key, revision, timestamp, what, names)
  local head = string.format('%s %s %.0f %.0f %s', whose, key, revision, timestamp, what)
  redis.call('XADD', EVENTS, 'MAXLEN', '~', MOST_EVENTS, '*', 'n', head, 'f', names_text(names))
end

local function notice(member, key, revision, timestamp, what, names)
  if untold(member) and what ~= 'forgotten' then return end
  tell(member, key, revision, timestamp, what, names)
end

-- Tell of a change of the fields named: of a home's bucket once for all its devices, if there are any.
local function publish(key, revision, timestamp, origin, names)
  if not of_home(key) then
    notice(serial, key, revision, timestamp, origin, names)
  elseif redis.call('EXISTS', home_key(owner, 'devices')) == 1 then
    tell('@' .. owner, key, revision, timestamp, origin, names)
  end
end

-- Note that the device has what the server wrote up to a timestamp; tell whoever waits for that.
local function acknowledge(view, key, revision, up_to, newest)
  redis.call('HSET', view, 'a', up_to)
  if newest <= up_to then notice(serial, key, revision, newest, 'acknowledged') end
end

-- Note that the device was heard of, and let its keys live on. False when the house is full.
local function contact(polls)
  local stays, told = stay(polls)
  if not stays then return false end
  if told and redis.call('ZADD', ONLINE, now, serial) == 1 then
    record(serial, { 'online', 'true' }, now)
    notice(serial, 'device.' .. serial, 0, 0, 'online')
  end
  -- Once per hundredth of the lifetime is often enough, and keeps a contact cheap.
  if redis.call('PTTL', facts) < request.ttl * 0.99 then
    live_on(facts)
    live_on(index)
    live_on(device_key(serial, 'secret'))
    for _, key in ipairs(redis.call('SMEMBERS', index)) do
      live_on(device_key(serial, 'bucket:' .. key))
    end
  end
  return true
end

-- Remember which serial came with a Wi-Fi MAC: the first one for each, so that strangers can neither take
-- a MAC over nor fill the store with them. `keep` lets its key live on as that of the device.
local function learn_mac(mac, keep)
  redis.call('HSETNX', facts, 'wifi', mac)
  if redis.call('HGET', facts, 'wifi') == mac then
    redis.call('SET', mac_key(mac), serial, 'NX')
    keep(mac_key(mac))
  end
end
