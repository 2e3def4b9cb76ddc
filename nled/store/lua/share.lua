-- Share a device: request.user; request.permission, none to end it; request.most_shares.
-- Returns 'ok', 'unowned', 'owner', 'full', 'nobody' (no such person) or 'none' (nothing to end).

if not given(request.permission) then
  if not drop_share(request.user) then return 'none' end
  tell_access()
  return 'ok'
end
if redis.call('HEXISTS', PEOPLE, request.user) == 0 then return 'nobody' end
local obstacle = unshareable(request.user)
if obstacle then return obstacle end
grant(request.user, request.permission)
return 'ok'
