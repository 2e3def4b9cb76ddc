-- What a device has yet to learn, and the home it learns of.

-- The home's buckets come first, the user before the structure: its name ends the pairing screen.
local function with_home_first(keys)
  local ordered = {}
  if owner then ordered = { 'user.' .. owner, 'structure.' .. structure } end
  for _, key in ipairs(keys) do
    if not of_home(key) then ordered[#ordered + 1] = key end
  end
  return ordered
end

-- The fields of a bucket that the server wrote after `claim` and the device still needs, as
-- {revision, timestamp, key, {name, text, ...}}; nil when there are none.
local function newer(key, claim)
  local content, view = locate(key)
  local revision, timestamp, newest = numbers(content, 'r', 't', 'w')
  if newest <= claim then return nil end
  local acked = numbers(view, 'a')
  local stamps, values = contents(content)
  local names, fields = {}, {}
  for name, stamp in pairs(stamps) do
    if stamp.timestamp > claim and not expired(stamp)
      and (stamp.kind == 's' or stamp.timestamp > acked) then
      names[#names + 1] = name
    end
  end
  if #names == 0 then return nil end
  table.sort(names)
  for _, name in ipairs(names) do
    fields[#fields + 1], fields[#fields + 2] = name, values[name]
  end
  redis.call('HSET', view, 'p', timestamp, 'pa', now)
  if content ~= view then redis.call('PEXPIRE', view, request.ttl) end
  return { revision, timestamp, key, fields }
end

-- Write the home's structure: the name it has or gets, and its devices.
local function list_devices()
  local home = 'structure.' .. structure
  local devices = redis.call('SMEMBERS', home_key(owner, 'devices'))
  table.sort(devices)
  for i, member in ipairs(devices) do devices[i] = '"device.' .. member .. '"' end
  local values = { { 'devices', '[' .. table.concat(devices, ',') .. ']', 's' } }
  if redis.call('HEXISTS', locate(home), 'v:name') == 0 then values[2] = { 'name', '"Home"', 's' } end
  server_write({ key = home, origin = 'server', values = values })
end

-- The home of an owned device has a user, whose name ends the pairing screen, and a structure. A home
-- that is new, or has lost them, gets them here.
local function settle_home()
  local user, home = locate('user.' .. owner), locate('structure.' .. structure)
  local came = redis.call('SADD', home_key(owner, 'devices'), serial) == 1
  if not came and redis.call('EXISTS', user, home) == 2 then return end
  if redis.call('HEXISTS', user, 'v:name') == 0 then
    server_write({ key = 'user.' .. owner, origin = 'server',
      values = { { 'name', '"' .. owner .. '"', 's' } } })
  end
  list_devices()
end
