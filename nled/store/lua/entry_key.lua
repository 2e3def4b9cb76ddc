-- The entry key on a device's screen. request.fresh: a code to give it if it has none; request.life: the
-- whole life of a key; request.slide: the least of it that a device may see.
-- Returns {'ok', code, expires}, {'taken'} when another device shows the fresh one, or {'full'}.

if not room().arrive() then return { 'full' } end
local owner_hash, key = device_key(serial, 'owner'), device_key(serial, 'key')
if owner and redis.call('HEXISTS', owner_hash, 'open') == 0 then
  -- Nothing to claim: it keeps seeing the code it was paired with, which leads nowhere any more.
  redis.call('HSETNX', owner_hash, 'code', request.fresh)
  return { 'ok', redis.call('HGET', owner_hash, 'code'), now + request.life }
end

local code, expires = unpack(redis.call('HMGET', key, 'code', 'expires'))
expires = tonumber(expires or 0)
if not code then
  code = request.fresh
  if redis.call('EXISTS', code_key(code)) == 1 then return { 'taken' } end
end
-- One that ends later than any can is of a clock that was wrong.
if expires - now < request.slide or expires - now > request.life then
  expires = now + request.life
  redis.call('HSET', key, 'code', code, 'expires', expires)
  redis.call('PEXPIREAT', key, expires)
  redis.call('SET', code_key(code), serial, 'PXAT', expires)
end
return { 'ok', code, expires }
