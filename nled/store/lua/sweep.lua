-- Tell of devices that count as online and have not been heard of since request.silent (ms), at most
-- request.most of them. Taken out in the same step, each is told of once. Returns how many there were.

local silent = redis.call('ZRANGEBYSCORE', ONLINE, '-inf', request.silent, 'LIMIT', 0, request.most)
for _, device in ipairs(silent) do
  -- Nobody knows what it did after its last contact.
  record(device, { 'online', 'false' }, redis.call('ZSCORE', ONLINE, device))
  redis.call('ZREM', ONLINE, device)
  notice(device, 'device.' .. device, 0, 0, 'offline')
end
return #silent
