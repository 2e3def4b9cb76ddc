-- Make an invite: request.id, hash, permission, expires, by (null for nobody's key); request.kept, ms that it is
-- listed after its end; request.most_invites. Returns 'ok', 'unowned', 'full', or 'taken' when there is one with
-- that id.

if not owner then return 'unowned' end
if redis.call('EXISTS', invite_key(request.id)) == 1 then return 'taken' end
local invites = device_key(serial, 'invites')
local ids, over = redis.call('SMEMBERS', invites), {}
for _, id in ipairs(ids) do
  local state, expires = unpack(redis.call('HMGET', invite_key(id), 'state', 'expires'))
  if state ~= 'pending' or tonumber(expires) <= now then over[#over + 1] = id end
end
if #ids >= request.most_invites then
  -- Those that have ended make room.
  for _, id in ipairs(over) do
    redis.call('DEL', invite_key(id))
    redis.call('SREM', invites, id)
  end
  if #over == 0 then return 'full' end
end
local invite = invite_key(request.id)
redis.call('HSET', invite, 'hash', request.hash, 'serial', serial, 'permission', request.permission,
  'created', now, 'expires', request.expires, 'state', 'pending')
if given(request.by) then redis.call('HSET', invite, 'by', request.by) end
redis.call('PEXPIREAT', invite, request.expires + request.kept + request.ttl)
redis.call('SADD', invites, request.id)
return 'ok'
