-- Put in order what nobody asks for: arrivals whose day is over go, and devices that came with no place (from a
-- version that knew none, or another process of it) get one; request.most of each at once.
-- Returns {1 if there may be more, at, why, from}, the last time that somebody had to give way or was turned away.

local over = redis.call('ZRANGEBYSCORE', ARRIVALS, '-inf', now - request.arrival_ttl, 'LIMIT', 0, request.most)
for _, member in ipairs(over) do room().erase(member) end

local found = 0
if redis.call('HLEN', PLACES) < redis.call('ZCARD', DEVICES) + redis.call('ZCARD', ARRIVALS) then
  for _, member in ipairs(redis.call('ZRANGE', DEVICES, 0, -1)) do
    if redis.call('HEXISTS', PLACES, member) == 0 then
      turn_to(member)
      room().place_known('')
      found = found + 1
      if found == request.most then break end
    end
  end
end
-- And the places of what an older version has forgotten.
if redis.call('HLEN', PLACES) > redis.call('ZCARD', DEVICES) + redis.call('ZCARD', ARRIVALS) then
  for _, member in ipairs(redis.call('HKEYS', PLACES)) do
    if not room().last_contact(member) and not room().last_contact(member, 'arrival') then room().erase(member) end
  end
end
local more = (#over == request.most or found == request.most) and 1 or 0
return { more, unpack(redis.call('HMGET', STRANGERS, 'at', 'why', 'from')) }
