-- Forget a device; nothing of it stays. Returns how many buckets it had, or nil for one nobody knows.

if not known() then return nil end
local objects = 0
for _, key in ipairs(redis.call('SMEMBERS', index)) do
  if redis.call('HEXISTS', locate(key), 'r') == 1 then objects = objects + 1 end
end

if owner then
  local user, home = owner, structure
  leave_home()
  -- The home of nobody's device is no home any more.
  if redis.call('EXISTS', home_key(user, 'devices')) == 0 then
    forget_home(user, home)
  end
end
forget_access()
drop_rest()
return objects
