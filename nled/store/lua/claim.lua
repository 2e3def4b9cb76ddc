-- Claim a device by its entry key: request.code; request.user; request.structure. One step, so that of
-- two people with the same code one wins. Returns 1 if this one did.

local owner_hash, key = device_key(serial, 'owner'), device_key(serial, 'key')
local code, expires = unpack(redis.call('HMGET', key, 'code', 'expires'))
if code ~= request.code or tonumber(expires) <= now then return 0 end
if owner and redis.call('HEXISTS', owner_hash, 'open') == 0 then return 0 end

redis.call('DEL', key, code_key(code))
if owner and owner ~= request.user then
  -- It leaves the home it was reset in, and that home's list of devices.
  redis.call('SREM', home_key(owner, 'devices'), serial)
  list_devices()
  for _, left in ipairs({ 'user.' .. owner, 'structure.' .. structure }) do
    redis.call('SREM', index, left)
    redis.call('DEL', device_key(serial, 'bucket:' .. left))
  end
end
redis.call('DEL', owner_hash)
owner, structure = request.user, request.structure
redis.call('HSET', owner_hash, 'user', owner, 'structure', structure, 'at', now, 'code', code)
settle_home()
publish('user.' .. owner, 0, 0, 'server')
return 1
