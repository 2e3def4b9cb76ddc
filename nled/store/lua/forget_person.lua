-- Forget request.user: their devices belong to nobody, and what is shared with them, their home and their
-- API keys go. Returns how many devices they owned, or nil when there is no such person.

local user = request.user
local devices = redis.call('SMEMBERS', home_key(user, 'devices'))
if redis.call('HDEL', PEOPLE, user) == 0 and #devices == 0 then return nil end
-- The home has no devices from here on: none is told of each that leaves.
redis.call('DEL', home_key(user, 'devices'))
local gone = {}
for _, device in ipairs(devices) do gone[device] = true end
forget_past(gone)
for _, device in ipairs(devices) do
  turn_to(device)
  leave_home()
  forget_shares()
  tell_unpaired()
end
leave_keys(gone)
for _, device in ipairs(redis.call('SMEMBERS', home_key(user, 'shared'))) do
  turn_to(device)
  drop_share(user)
  tell_access()
end
for _, id in ipairs(redis.call('SMEMBERS', API_KEYS)) do
  if redis.call('HGET', api_key(id), 'user') == user then
    redis.call('SREM', API_KEYS, id)
    redis.call('DEL', api_key(id))
  end
end
redis.call('DEL', home_key(user, 'shared'))
forget_home(user, request.structure)
return #devices
