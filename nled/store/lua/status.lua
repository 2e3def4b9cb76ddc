-- How far the pairing of a device has come: returns {{user, at, open}, {code, expires}}, null where there is nothing.

-- A device that hears here that it was claimed, and was written what its claim brought, needs that no more often. What
-- else is to be told it by these buckets is.
local function end_offers(key)
  local content, view = locate(key)
  local newest = numbers(content, 'w')
  local _, _, _, counted, taken = offered(view)
  if newest > counted or newest <= taken then return end
  for name, stamp in pairs((contents(content))) do
    if stamp.timestamp > taken and name ~= 'name' and name ~= 'devices' then return end
  end
  redis.call('HSET', view, 'o', counted, 'u', newest)
end

-- What is written need not be: the answer is the same.
if not request.refused then pcall(room().touch) end
local claimed = redis.call('HMGET', device_key(serial, 'owner'), 'user', 'at', 'open')
if claimed[1] and not claimed[3] then
  for _, key in ipairs(home_keys) do
    if not request.refused then pcall(end_offers, key) end
  end
end
return { claimed, redis.call('HMGET', device_key(serial, 'key'), 'code', 'expires') }
