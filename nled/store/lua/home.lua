-- What a device has yet to learn, and the home it learns of.

-- In how many ms what waits for its turn is due.
local due

-- A device that never takes what it is given must end up held: after three tries, one a minute. An answer that was
-- open already at the last of them takes part in it: which of several polls the device listens on, nobody knows.
local function worn_out(view, newest)
  local _, at, tries, counted = offered(view)
  return tries >= 3 and newest <= counted and at <= request.opened and now - past(at) < 60000
end

-- Where the device stands with a bucket that it does not list: at what it once claimed, or what was written to it
-- often enough.
local function unlisted(key)
  local view = select(2, locate(key))
  local taken = select(5, offered(view))
  return math.max(numbers(view, 'c'), taken)
end

-- Whether a bucket of a type that keeps a distance is too close behind one that was read to be pushed. What is read is
-- noted here, in the same step, so that of several polls none is given the second one too early.
local function too_close(key, view, timestamp, newest)
  local spacing = spacing_of(type_of(key))
  if not spacing then return false end
  local read, at = numbers(view, 'q', 'qa')
  if newest > read and now - past(at) < spacing then
    due = at + spacing - now
    return true
  end
  redis.call('HSET', view, 'q', timestamp, 'qa', now)
end

-- The fields of a bucket that the server wrote after `claim` and the device still needs, as
-- {revision, timestamp, key, {name, text, written at, ...}}; nil when there are none. They are pushed once they are
-- written to a socket, which pushed.lua notes, and not by being read: the poll may be gone by then.
local function newer(key, claim)
  local content, view = locate(key)
  local revision, timestamp, newest = numbers(content, 'r', 't', 'w')
  if newest <= claim or worn_out(view, newest) then return nil end
  local acked = numbers(view, 'a')
  local stamps, values = contents(content)
  local names, fields = {}, {}
  for name, stamp in pairs(stamps) do
    if stamp.timestamp > claim and (stamp.kind == 's' or stamp.timestamp > acked) then
      if expired(stamp) then miss(view, name, stamp) else names[#names + 1] = name end
    end
  end
  if #names == 0 then return nil end
  if too_close(key, view, timestamp, newest) then return nil end
  table.sort(names)
  for i, name in ipairs(names) do
    fields[3 * i - 2], fields[3 * i - 1], fields[3 * i] = name, values[name], stamps[name].at
  end
  return { revision, timestamp, key, fields }
end

-- Write a bucket of the home, `anew` also what is in it already. To the home's other devices that is nothing new: none
-- is woken that was offered it often enough.
local function write_home(key, values, anew)
  local content = locate(key)
  local before = numbers(content, 'w')
  local known = anew and prepare({ key = key, values = values }) == 'same'
  server_write({ key = key, values = values, anew = anew })
  if not known then return end
  local newest = numbers(content, 'w')
  for _, member in ipairs(redis.call('SMEMBERS', home_key(owner, 'devices'))) do
    local view = device_key(member, 'bucket:' .. key)
    if member ~= serial and numbers(view, 'u') >= before then
      redis.call('HSET', view, 'p', newest, 'o', newest, 'u', newest)
    end
  end
end

-- Write the home's structure: the name it has or gets, and its devices.
local function list_devices(anew)
  local home = 'structure.' .. structure
  local devices = redis.call('SMEMBERS', home_key(owner, 'devices'))
  table.sort(devices)
  for i, member in ipairs(devices) do devices[i] = '"device.' .. member .. '"' end
  local values = { { 'devices', '[' .. table.concat(devices, ',') .. ']', 's' } }
  local name = redis.call('HGET', locate(home), 'v:name')
  if anew or not name then values[2] = { 'name', name or '"Home"', 's' } end
  write_home(home, values, anew)
end

-- The home of an owned device has a user, whose name ends the pairing screen, and a structure. A home that is new, or
-- has lost them, gets them here; `anew`: they are written in any case, so that the device is told, whatever it has.
local function settle_home(anew)
  local user, home = locate('user.' .. owner), locate('structure.' .. structure)
  local came = redis.call('SADD', home_key(owner, 'devices'), serial) == 1
  if not (came or anew) and redis.call('EXISTS', user, home) == 2 then return end
  local name = redis.call('HGET', user, 'v:name')
  if anew or not name then
    write_home('user.' .. owner, { { 'name', name or '"' .. owner .. '"', 's' } }, anew)
  end
  list_devices(anew)
end

-- Let go of one of the device's own buckets, or of how far it has come with one of its home.
local function drop_bucket(key)
  local view, freed = device_key(serial, 'bucket:' .. key), 0
  for name, text in pairs(select(2, contents(view))) do freed = freed + size_of(name, text) end
  if freed > 0 then weighed(redis.call('HINCRBY', facts, 'bytes', -freed)) end
  redis.call('SREM', index, key)
  redis.call('DEL', view)
end

-- Take the device out of the home it is in, and from that home's list of devices.
local function leave_home()
  redis.call('SREM', home_key(owner, 'devices'), serial)
  list_devices()
  for _, key in ipairs(home_keys) do drop_bucket(key) end
  redis.call('DEL', device_key(serial, 'owner'))
  redis.call('ZREM', OWNED, serial)
  belong_to(nil, nil)
  room().regrade()
end

-- Delete the buckets of a home that has no devices any more.
local function forget_home(user, home)
  for _, key in ipairs(keys_of_home(user, home)) do redis.call('DEL', home_key(user, 'bucket:' .. key)) end
end

-- Let the device be of a home, and end what it had in place of one.
local function join(user, home)
  for _, key in ipairs(keys_of_home(NO_HOME, NO_HOME)) do drop_bucket(key) end
  belong_to(user, home)
end

-- Make the device, which is in no other home, a user's, and tell it.
local function enter_home(user, home, code)
  join(user, home)
  local hash = device_key(serial, 'owner')
  redis.call('DEL', hash)
  redis.call('HSET', hash, 'user', owner, 'structure', structure, 'at', now)
  -- The code it was claimed by, which it goes on showing.
  if code then redis.call('HSET', hash, 'code', code) end
  redis.call('ZADD', OWNED, now, serial)
  redis.call('HSETNX', PEOPLE, owner, string.format('%.0f ', now))
  room().regrade()
  settle_home(true)
  notice(serial, 'device.' .. serial, 0, 0, 'access')
end
