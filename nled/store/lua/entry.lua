-- What devices said of themselves at their entries: request.arrivals, each with serial, sender, pin (or empty), facts
-- {name, text, ...}, mac and secret (or empty) and reset, whether it was reset to factory state; or with `heard`,
-- for one that was heard of in another way. Who is not known is an arrival by its entry, and by nothing else. Of one
-- the house has no room for, nothing is kept, nor of one that is pinned with another password.

local function fits(arrival)
  return arrival.pin == '' or (redis.call('GET', device_key(serial, 'pin')) or arrival.pin) == arrival.pin
end

-- It has forgotten every timestamp, and whose it is: it may be claimed anew.
local function reset()
  for _, key in ipairs(redis.call('SMEMBERS', index)) do
    redis.call('HDEL', device_key(serial, 'bucket:' .. key), 'c')
  end
  if owner then redis.call('HSET', device_key(serial, 'owner'), 'open', 1) end
end

for _, arrival in ipairs(request.arrivals) do
  turn_to(arrival.serial)
  request.sender = arrival.sender
  if arrival.heard then
    if fits(arrival) then room().touch() end
  elseif fits(arrival) and room().arrive() then
    redis.call('HSET', facts, 'entry', now, unpack(arrival.facts))
    if arrival.mac ~= '' then learn_mac(arrival.mac, room().keep) end
    if arrival.secret ~= '' then
      redis.call('SET', device_key(serial, 'secret'), arrival.secret)
      room().keep(device_key(serial, 'secret'))
    end
    if arrival.reset then reset() end
  end
end
