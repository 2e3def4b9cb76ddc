-- Forget a device; nothing of it stays. Returns how many buckets it had, or nil for one nobody knows.

if not known() then return nil end
local keys, objects = redis.call('SMEMBERS', index), 0
for _, key in ipairs(keys) do
  if redis.call('HEXISTS', locate(key), 'r') == 1 then objects = objects + 1 end
end

if owner then
  local user, home = owner, structure
  leave_home()
  -- The home of nobody's device is no home any more.
  if redis.call('EXISTS', home_key(user, 'devices')) == 0 then
    redis.call('DEL', home_key(user, 'bucket:user.' .. user), home_key(user, 'bucket:structure.' .. home))
  end
end
forget_access()

local mac = redis.call('HGET', facts, 'wifi')
if mac and redis.call('GET', mac_key(mac)) == serial then redis.call('DEL', mac_key(mac)) end
local code = redis.call('HGET', device_key(serial, 'key'), 'code')
if code and redis.call('GET', code_key(code)) == serial then redis.call('DEL', code_key(code)) end
for _, key in ipairs(keys) do redis.call('DEL', device_key(serial, 'bucket:' .. key)) end
for _, what in ipairs({ 'facts', 'buckets', 'key', 'pin', 'secret', 'previous' }) do
  redis.call('DEL', device_key(serial, what))
end
redis.call('ZREM', DEVICES, serial)
redis.call('ZREM', ONLINE, serial)
notice(serial, 'device.' .. serial, 0, 0, 'forgotten')
return objects
