-- Tell of devices that count as online and have not been heard of since request.silent (ms), at most
-- request.most of them. Taken out in the same step, each is told of once. With request.stepped, when the clock was
-- stepped since the last look, nobody knows how long they were silent, nor ever of those that were heard of in a time
-- to come: they count as heard of now. Returns how many there were, of the kind there were more of.

local most = 0

local function found(set, from, to)
  local members = redis.call('ZRANGEBYSCORE', set, from, to, 'LIMIT', 0, request.most)
  most = math.max(most, #members)
  return members
end

local function heard_now(set, from, to)
  for _, member in ipairs(found(set, from, to)) do
    redis.call('ZADD', set, now, member)
    if set == ONLINE then redis.call('ZADD', DEVICES, 'XX', now, member) end
  end
end

local ahead = string.format('(%.0f', now + SKEW)
for _, set in ipairs({ ONLINE, POLLS, ARRIVALS }) do heard_now(set, ahead, '+inf') end
if request.stepped then
  for _, set in ipairs({ ONLINE, POLLS }) do heard_now(set, '-inf', request.silent) end
  return most
end
for _, device in ipairs(found(ONLINE, '-inf', request.silent)) do
  -- Nobody knows what it did after its last contact.
  record(device, { 'online', 'false' }, redis.call('ZSCORE', ONLINE, device))
  redis.call('ZREM', ONLINE, device)
  notice(device, 'device.' .. device, 0, 0, 'offline')
end
return most
