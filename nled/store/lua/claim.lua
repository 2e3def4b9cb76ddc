-- Claim a device by its entry key: request.code; request.user; request.structure. One step, so that of
-- two people with the same code one wins. Returns 1 if this one did.

local owner_hash, key = device_key(serial, 'owner'), device_key(serial, 'key')
local code, expires = unpack(redis.call('HMGET', key, 'code', 'expires'))
if code ~= request.code or tonumber(expires) <= now then return 0 end
if owner and redis.call('HEXISTS', owner_hash, 'open') == 0 then return 0 end

redis.call('DEL', key, code_key(code))
if owner and owner ~= request.user then
  leave_home()
  -- It came into other hands.
  forget_access()
end
enter_home(request.user, request.structure, code)
return 1
