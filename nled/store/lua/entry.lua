-- What a device said of itself at its entry: request.facts {name, text, ...}; request.mac, its MAC or
-- empty; request.reset, whether it was reset to factory state. Returns 1, or 0 when the house is full.

if not contact() then return 0 end
redis.call('HSET', facts, 'entry', now, unpack(request.facts))
if request.mac ~= '' then
  redis.call('SET', mac_key(request.mac), serial, 'NX')
  redis.call('PEXPIRE', mac_key(request.mac), request.ttl)
end
if request.reset then
  -- It has forgotten every timestamp, and whose it is: it may be claimed anew.
  for _, key in ipairs(redis.call('SMEMBERS', index)) do
    redis.call('HDEL', device_key(serial, 'bucket:' .. key), 'c')
  end
  if owner then redis.call('HSET', device_key(serial, 'owner'), 'open', 1) end
end
return 1
