-- All that is kept of a device, as it is stored: {seen, facts, owner, shares, pin, secret, previous,
-- {key, content, ...}, {invite, content, ...}}; nil for one nobody knows.

if not known() then return nil end
local buckets, invites = {}, {}
local keys = redis.call('SMEMBERS', index)
table.sort(keys)
-- How far it has come with its home may be kept without being listed.
for _, key in ipairs(with_home_first(keys)) do
  buckets[#buckets + 1], buckets[#buckets + 2] = key, redis.call('HGETALL', device_key(serial, 'bucket:' .. key))
end
local ids = redis.call('SMEMBERS', device_key(serial, 'invites'))
table.sort(ids)
for _, id in ipairs(ids) do
  invites[#invites + 1], invites[#invites + 2] = id, redis.call('HGETALL', invite_key(id))
end
return {
  redis.call('ZSCORE', DEVICES, serial), redis.call('HGETALL', facts),
  redis.call('HGETALL', device_key(serial, 'owner')), redis.call('HGETALL', device_key(serial, 'shares')),
  redis.call('GET', device_key(serial, 'pin')), redis.call('GET', device_key(serial, 'secret')),
  redis.call('GET', device_key(serial, 'previous')), buckets, invites,
}
