-- Accept an invite for request.user: request.id, hash, created_as (what is kept of somebody who is new),
-- most_people, most_shares. Of two who try at once, one does. Returns {'ok', serial, what they may from now on},
-- {'none'} when there is no such invite to accept (any more), {'unowned'}, {'owner'}, {'full'} or {'crowd'}
-- (no more people).

local LEVEL = { read = 1, write = 2, admin = 3 }
local invite = invite_key(request.id)
local hash, state, expires, device, permission =
  unpack(redis.call('HMGET', invite, 'hash', 'state', 'expires', 'serial', 'permission'))
if hash ~= request.hash or state ~= 'pending' or tonumber(expires) <= now then return { 'none' } end
turn_to(device)
local obstacle = unshareable(request.user)
if obstacle then return { obstacle } end
if redis.call('HEXISTS', PEOPLE, request.user) == 0 then
  if redis.call('HLEN', PEOPLE) >= request.most_people then return { 'crowd' } end
  redis.call('HSET', PEOPLE, request.user, request.created_as)
end
redis.call('HSET', invite, 'state', 'accepted')
-- Who may as much already loses nothing by it.
local before = redis.call('HGET', device_key(serial, 'shares'), request.user)
if before and LEVEL[before] >= LEVEL[permission] then return { 'ok', serial, before } end
grant(request.user, permission)
return { 'ok', serial, permission }
