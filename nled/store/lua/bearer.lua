-- Who a key is of. KEYS: the key's record, the counter of this client's failures. ARGV: the hash of the key,
-- now, requests per minute (0: any), failures per minute (0: not counted), whether the store takes writes.
-- Returns {'slow'} for one wrong key too many - a right one is let in all the same, for who else shares the
-- address of somebody who guesses must not be shut out -, {'wrong'}, or
-- {'ok', requests in this minute, name, scopes, user, devices}.

local hash, now, limit, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local counts = ARGV[5] == '1'

local stored, expires, used, minute, count, name, scopes, user, devices = unpack(redis.call('HMGET', KEYS[1],
  'hash', 'expires', 'used', 'minute', 'count', 'name', 'scopes', 'user', 'devices'))
if stored ~= hash or (expires and tonumber(expires) <= now) then
  if most == 0 then return { 'wrong' } end
  -- More than the minute is left of it where the clock was stepped back: the address would be shut out as long.
  if counts and redis.call('PTTL', KEYS[2]) > 60000 then redis.pcall('DEL', KEYS[2]) end
  if tonumber(redis.call('GET', KEYS[2]) or 0) >= most then return { 'slow' } end
  -- The count is one of the minute, as that of a key's requests: the answer names the end of it.
  if counts and redis.pcall('INCR', KEYS[2]) == 1 then redis.pcall('PEXPIRE', KEYS[2], 60000 - now % 60000) end
  return { 'wrong' }
end

local changed = {}
if limit > 0 then
  local this = math.floor(now / 60000)
  local before = tonumber(minute) == this and tonumber(count) or 0
  -- Beyond the limit it makes no difference by how much.
  count = math.min(before, limit) + 1
  if count ~= before then changed = { 'minute', this, 'count', count } end
end
if math.abs(now - tonumber(used or 0)) >= 60000 then
  changed[#changed + 1], changed[#changed + 2] = 'used', now
end
-- By pcall: a server that has begun to refuse writes, memory or disk being full, can be read with a key.
if counts and #changed > 0 then redis.pcall('HSET', KEYS[1], unpack(changed)) end
return { 'ok', limit > 0 and count or 0, name, scopes, user, devices }
