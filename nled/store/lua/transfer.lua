-- Make a device somebody else's: request.user, request.structure. Others keep what is shared with them;
-- invites of the former owner end, its past, and its place in the lists of their keys.
-- Returns 'ok', 'unowned', 'owner' when it is theirs already, or 'nobody' (no such person).

if not owner then return 'unowned' end
if owner == request.user then return 'owner' end
if redis.call('HEXISTS', PEOPLE, request.user) == 0 then return 'nobody' end
local former, code = owner, redis.call('HGET', device_key(serial, 'owner'), 'code')
leave_home()
drop_invites()
drop_share(request.user)
local gone = { [serial] = true }
leave_keys(gone, former)
forget_past(gone)
enter_home(request.user, request.structure, code)
return 'ok'
