-- Tell of devices that count as online and have not been heard of since request.silent (ms), at most
-- request.most of them. Taken out in the same step, each is told of once. With request.stepped, when the clock was
-- stepped since the last look, nobody knows how long they were silent, nor of those that were heard of in a time to
-- come: they count as heard of now. Returns how many there were, of the kind there were more of.

local ahead = string.format('(%.0f', now + SKEW)
local wrong = redis.call('ZRANGEBYSCORE', ONLINE, ahead, '+inf', 'LIMIT', 0, request.most)
local silent = redis.call('ZRANGEBYSCORE', ONLINE, '-inf', request.silent, 'LIMIT', 0, request.most)

local function heard_now(devices)
  for _, device in ipairs(devices) do
    redis.call('ZADD', ONLINE, now, device)
    redis.call('ZADD', DEVICES, 'XX', now, device)
  end
end

heard_now(wrong)
if request.stepped then heard_now(silent) end
for _, device in ipairs(request.stepped and {} or silent) do
  -- Nobody knows what it did after its last contact.
  record(device, { 'online', 'false' }, redis.call('ZSCORE', ONLINE, device))
  redis.call('ZREM', ONLINE, device)
  notice(device, 'device.' .. device, 0, 0, 'offline')
end
return math.max(#wrong, #silent)
