-- The entry key on a device's screen. request.codes: fresh candidates; request.life: its whole life;
-- request.slide: the least of it that a device may see. Returns {code, expires}, or {} when the house is
-- full or every candidate is taken.

if not contact() then return {} end
local owner_hash, key = device_key(serial, 'owner'), device_key(serial, 'key')
if owner and redis.call('HEXISTS', owner_hash, 'open') == 0 then
  -- Nothing to claim: it keeps seeing the code it was paired with, which leads nowhere any more.
  redis.call('HSETNX', owner_hash, 'code', request.codes[1])
  return { redis.call('HGET', owner_hash, 'code'), now + request.life }
end

local code, expires = unpack(redis.call('HMGET', key, 'code', 'expires'))
expires = tonumber(expires or 0)
if not code then
  for _, candidate in ipairs(request.codes) do
    if redis.call('EXISTS', code_key(candidate)) == 0 then code = candidate break end
  end
  if not code then return {} end
end
if expires - now < request.slide then
  expires = now + request.life
  redis.call('HSET', key, 'code', code, 'expires', expires)
  redis.call('PEXPIREAT', key, expires)
  redis.call('SET', code_key(code), serial, 'PXAT', expires)
end
return { code, expires }
