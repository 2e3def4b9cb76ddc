-- What devices said of themselves at their entries: request.arrivals, each with serial, facts
-- {name, text, ...}, mac and secret (or empty) and reset, whether it was reset to factory state. Of one the
-- house has no room for, nothing is kept.

for _, arrival in ipairs(request.arrivals) do
  turn_to(arrival.serial)
  if contact() then
    redis.call('HSET', facts, 'entry', now, unpack(arrival.facts))
    if arrival.mac ~= '' then learn_mac(arrival.mac) end
    if arrival.secret ~= '' then
      redis.call('SET', device_key(serial, 'secret'), arrival.secret)
      live_on(device_key(serial, 'secret'))
    end
    if arrival.reset then
      -- It has forgotten every timestamp, and whose it is: it may be claimed anew.
      for _, key in ipairs(redis.call('SMEMBERS', index)) do
        redis.call('HDEL', device_key(serial, 'bucket:' .. key), 'c')
      end
      if owner then redis.call('HSET', device_key(serial, 'owner'), 'open', 1) end
    end
  end
end
