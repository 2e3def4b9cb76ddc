-- Bring back what was exported: request.record, see store/archive.py. What is there already stays as it is,
-- so a record that comes twice changes nothing. Returns 'stored', 'kept' or 'full'.

local r = request.record
local stored = false

-- Set fields {name, text, ...} of a hash that it does not have; returns whether there are such.
local function fill(key, fields)
  local missing = false
  for i = 1, #fields, 2 do
    if redis.call('HSETNX', key, fields[i], fields[i + 1]) == 1 then missing = true end
  end
  stored = stored or missing
  return missing
end

local function fill_bucket(content, fields)
  if redis.call('HEXISTS', content, 'r') == 0 then fill(content, fields) end
end

local function fill_text(what, text)
  if not given(text) then return end
  redis.call('SET', device_key(serial, what), text, 'NX')
  live_on(device_key(serial, what))
end

-- `met`: whether the device was heard of here, as nobody's.
local function restore_owner(of, met)
  if owner then return end
  join(of.user, of.structure)
  stored = true
  redis.call('HSET', device_key(serial, 'owner'), 'user', owner, 'structure', structure, unpack(of.more))
  redis.call('ZADD', OWNED, of.at, serial)
  redis.call('SADD', home_key(owner, 'devices'), serial)
  redis.call('HSETNX', PEOPLE, owner, string.format('%.0f ', of.at))
  -- It may hold a poll, with a code on its screen.
  if met then settle_home(true) end
end

local function restore_shares(shares, invites)
  for user, permission in pairs(shares) do
    if redis.call('HSETNX', device_key(serial, 'shares'), user, permission) == 1 then
      redis.call('SADD', home_key(user, 'shared'), serial)
      stored = true
    end
  end
  for _, invite in ipairs(invites) do
    local id, ends, by, fields = unpack(invite)
    -- Who may not make one any more gets none back.
    local rightful = not given(by) or by == owner or redis.call('HGET', device_key(serial, 'shares'), by) == 'admin'
    if ends > now and rightful and redis.call('EXISTS', invite_key(id)) == 0 then
      redis.call('HSET', invite_key(id), 'serial', serial, unpack(fields))
      redis.call('PEXPIREAT', invite_key(id), ends + request.ttl)
      redis.call('SADD', device_key(serial, 'invites'), id)
      stored = true
    end
  end
end

-- A bucket that is there by now is newer than any file.
local function restore_bucket(key, fields)
  if elsewhere(key) then return end
  local view = device_key(serial, 'bucket:' .. key)
  if redis.call('HEXISTS', view, 'r') == 1 or not fill(view, fields) then return end
  redis.call('SADD', index, key)
  live_on(view)
end

local function commanded_before()
  for i = 1, #r.facts, 2 do
    if r.facts[i] == 'commanded' then return true end
  end
end

-- What came in counts from now on.
local function settle_place()
  local p = own_place()
  if p then
    weighed(room().recount())
    room().regrade()
  elseif redis.call('ZSCORE', DEVICES, serial) then
    room().place_known('')
  end
end

local function restore_device()
  local met = redis.call('ZSCORE', DEVICES, serial)
  if given(r.seen) and not met then
    local kept = room().is_kept() or given(r.owner) or given(r.previous) or commanded_before()
    if redis.call('ZCARD', DEVICES) >= request.most_devices and not room().make_room('', kept) and not kept then
      return 'full'
    end
    -- An arrival that is in the file was a device.
    local p = own_place()
    if p then room().leave(serial, p) end
    redis.call('ZREM', ARRIVALS, serial)
    redis.call('ZADD', DEVICES, r.seen, serial)
    place = false
    stored = true
  end
  fill(facts, r.facts)
  if given(r.owner) then restore_owner(r.owner, met) end
  -- What is somebody else's by now is shared by them.
  if owner and given(r.owner) and owner == r.owner.user then restore_shares(r.shares, r.invites) end
  fill_text('pin', r.pin)
  fill_text('secret', r.secret)
  if given(r.previous) then redis.call('SET', device_key(serial, 'previous'), r.previous, 'NX') end
  for _, bucket in ipairs(r.buckets) do restore_bucket(unpack(bucket)) end
  local mac = redis.call('HGET', facts, 'wifi')
  if mac then
    redis.call('SET', mac_key(mac), serial, 'NX')
    live_on(mac_key(mac))
  end
  settle_place()
  live_on(facts)
  live_on(index)
end

local function restore_person()
  fill(PEOPLE, { r.user, r.person })
  for _, bucket in ipairs(r.buckets) do fill_bucket(home_key(r.user, 'bucket:' .. bucket[1]), bucket[2]) end
end

local function restore_key()
  if redis.call('EXISTS', api_key(r.id)) == 1 then return end
  redis.call('SADD', API_KEYS, r.id)
  fill(api_key(r.id), r.fields)
end

-- Points are taken only behind those that are there: a stream goes forward.
local function restore_history()
  if not known() then return end
  local stream, latest = device_key(serial, 'history'), device_key(serial, 'latest')
  -- Changes nothing, and fails where the server takes no writes: what is caught below must not hide that.
  redis.call('SET', PROBE, '', 'XX')
  for _, point in ipairs(r.points) do
    local id, fields = unpack(point)
    local added = redis.pcall('XADD', stream, id, unpack(fields))
    if type(added) == 'string' then
      redis.call('HSET', latest, '@', (id:gsub('-', ' ')), unpack(fields))
      stored = true
    end
  end
  live_on(stream, request.history)
  live_on(latest, request.history)
end

local restore = {
  device = restore_device, person = restore_person, key = restore_key, history = restore_history,
  unit = function() fill(LAN, { r.ip, r.url }) end,
}
return restore[r.kind]() or (stored and 'stored' or 'kept')
