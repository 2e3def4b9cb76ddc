-- Who else than its owner may do what with a device.

local function tell_access() notice(serial, 'device.' .. serial, 0, 0, 'access') end

-- Drop the invites to the device, all or those that somebody made.
local function drop_invites(by)
  local invites = device_key(serial, 'invites')
  for _, id in ipairs(redis.call('SMEMBERS', invites)) do
    if not by or redis.call('HGET', invite_key(id), 'by') == by then
      redis.call('DEL', invite_key(id))
      redis.call('SREM', invites, id)
    end
  end
end

-- An invite would let who made it in again.
local function drop_share(user)
  drop_invites(user)
  redis.call('SREM', home_key(user, 'shared'), serial)
  return redis.call('HDEL', device_key(serial, 'shares'), user) == 1
end

-- Take devices, a set by serial, off the lists of the API keys of a user, or of all. A list that is left
-- empty stays one: such a key is for no device, not for all.
local function leave_keys(gone, user)
  for _, id in ipairs(redis.call('SMEMBERS', API_KEYS)) do
    local whose, list = unpack(redis.call('HMGET', api_key(id), 'user', 'devices'))
    if list and (not user or whose == user) then
      local left = {}
      for member in list:gmatch('%S+') do
        if not gone[member] then left[#left + 1] = member end
      end
      local text = table.concat(left, ' ')
      if text ~= list then redis.call('HSET', api_key(id), 'devices', text) end
    end
  end
end

local function forget_shares()
  drop_invites()
  for _, user in ipairs(redis.call('HKEYS', device_key(serial, 'shares'))) do drop_share(user) end
  tell_access()
end

-- Tell that the device belongs to nobody from now on: who holds its polls ends them (protocol e.5).
local function tell_unpaired() notice(serial, 'device.' .. serial, 0, 0, 'unpaired') end

-- What devices, a set by serial, did so far and what was told of it: when somebody was at home is nobody's
-- business who has them later. What was told of a home goes with its last device. Who left off at one of these
-- notices finds a gap.
local function forget_past(gone)
  local empty = {}
  local function is_gone(whose)
    local user = whose:match('^@(.*)')
    if not user then return gone[whose] end
    if empty[user] == nil then empty[user] = redis.call('EXISTS', home_key(user, 'devices')) == 0 end
    return empty[user]
  end
  local from, page = '-'
  repeat
    local theirs = {}
    page = redis.call('XRANGE', EVENTS, from, '+', 'COUNT', 500)
    for _, entry in ipairs(page) do
      from = '(' .. entry[1]
      if is_gone(entry[2][2]:match('^%S+')) then theirs[#theirs + 1] = entry[1] end
    end
    if #theirs > 0 then redis.call('XDEL', EVENTS, unpack(theirs)) end
  until #page < 500
  for member in pairs(gone) do
    redis.call('DEL', device_key(member, 'history'), device_key(member, 'latest'))
  end
end

-- All that others than its owner have of the device, and its past: for one that is forgotten, or is nobody's
-- from now on.
local function forget_access()
  local gone = { [serial] = true }
  forget_past(gone)
  forget_shares()
  leave_keys(gone)
end

local function grant(user, permission)
  -- Nor do those outlive the right to make them.
  if permission ~= 'admin' then drop_invites(user) end
  redis.call('HSET', device_key(serial, 'shares'), user, permission)
  redis.call('SADD', home_key(user, 'shared'), serial)
  tell_access()
end

-- Why a device cannot be shared with somebody: 'unowned', 'owner', 'full', or nil.
local function unshareable(user)
  local shares = device_key(serial, 'shares')
  if not owner then return 'unowned' end
  if owner == user then return 'owner' end
  if redis.call('HEXISTS', shares, user) == 0 and redis.call('HLEN', shares) >= request.most_shares then
    return 'full'
  end
end

-- Delete what the device said and was told, as if it had never been heard of; whose it is stays.
local function drop_state()
  local mac = redis.call('HGET', facts, 'wifi')
  if mac and redis.call('GET', mac_key(mac)) == serial then redis.call('DEL', mac_key(mac)) end
  local keys = redis.call('SMEMBERS', index)
  -- How far it has come with its home is kept without being listed.
  for _, key in ipairs(owner and home_keys or {}) do keys[#keys + 1] = key end
  for _, key in ipairs(keys) do redis.call('DEL', device_key(serial, 'bucket:' .. key)) end
  for _, what in ipairs({ 'facts', 'buckets', 'pin', 'secret' }) do redis.call('DEL', device_key(serial, what)) end
  redis.call('ZREM', DEVICES, serial)
  redis.call('ZREM', ONLINE, serial)
  room().drop_place(serial)
end

-- Delete what is left of a device that is nobody's and whose past is gone, and tell of it.
local function drop_rest()
  drop_state()
  local code = redis.call('HGET', device_key(serial, 'key'), 'code')
  if code and redis.call('GET', code_key(code)) == serial then redis.call('DEL', code_key(code)) end
  redis.call('DEL', device_key(serial, 'key'), device_key(serial, 'previous'))
  notice(serial, 'device.' .. serial, 0, 0, 'forgotten')
end
