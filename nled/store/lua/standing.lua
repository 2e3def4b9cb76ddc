-- Whose the device is: {owner, {user, permission, ...}}, or nil for one that nobody has met or claimed.

if not known() then return nil end
return { owner, redis.call('HGETALL', device_key(serial, 'shares')) }
