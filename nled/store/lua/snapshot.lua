-- Devices as they stand: request.serials, and request.pending, whether what they have yet to take is wanted, too.
-- WANTED, put in front by devices.py, is nil for everything or {{type, what its keys end in, {'r', 't', 'w', 'a', 'p',
-- 'x', 'v:NAME', ...}, {',"NAME":', ...}}, ...}. Returns for each that is known {serial, owner, structure, last contact,
-- shares, {key, revision, timestamp, values, pending, ...}, 1 if its state has expired}: values as HGETALL has them
-- when everything is wanted, else as JSON behind a comma; pending {name, revision, timestamp, written at, delivery,
-- ...}, null where there is nothing.

local function pending_of(content, acked, pushed, never)
  local pending, n = {}, 0
  for name, stamp in pairs((contents(content))) do
    local state = progress(name, stamp, acked, pushed, never)
    if state ~= 'acknowledged' then
      pending[n + 1], pending[n + 2], pending[n + 3] = name, stamp.revision, stamp.timestamp
      pending[n + 4], pending[n + 5] = stamp.at, state
      n = n + 5
    end
  end
  return pending
end

-- Values as the members of a JSON object, each behind a comma. They follow six other fields.
local function members(fields, heads)
  local parts, n = {}, 0
  for i = 1, #heads do
    local text = fields[i + 6]
    if text then
      parts[n + 1], parts[n + 2] = heads[i], text
      n = n + 2
    end
  end
  return table.concat(parts)
end

local function look(buckets, key, names, heads)
  local content, view = locate(key)
  local values, revision, timestamp, newest, acked, pushed, never
  if names then
    local fields = redis.call('HMGET', content, unpack(names))
    revision, timestamp, newest, acked, pushed, never = unpack(fields, 1, 6)
    values = revision and members(fields, heads)
  else
    values = redis.call('HGETALL', content)
    revision, timestamp, newest, acked, pushed, never =
      unpack(redis.call('HMGET', content, 'r', 't', 'w', 'a', 'p', 'x'))
  end
  if not revision then return end
  local pending = false
  if request.pending and newest then
    if content ~= view then acked, pushed, never = unpack(redis.call('HMGET', view, 'a', 'p', 'x')) end
    acked, pushed = tonumber(acked or 0), tonumber(pushed or 0)
    if never or tonumber(newest) > acked then
      pending = pending_of(content, acked, pushed, missed(never))
    end
  end
  local n = #buckets
  buckets[n + 1], buckets[n + 2], buckets[n + 3] = key, revision, timestamp
  buckets[n + 4], buckets[n + 5] = values, pending
end

-- The keys of the device's buckets of a type; `what` they end in is as domain/buckets.py says.
local function keys_of(kind, what)
  if what == 'serial' then return { kind .. '.' .. serial } end
  if what == 'user' then return { kind .. '.' .. (owner or NO_HOME) } end
  if what == 'structure' then return { kind .. '.' .. (structure or NO_HOME) } end
  local found = {}
  for _, each in ipairs(redis.call('SMEMBERS', index)) do
    if type_of(each) == kind then found[#found + 1] = each end
  end
  table.sort(found)
  return found
end

local function snapshot(seen)
  local buckets = {}
  if WANTED then
    for _, wanted in ipairs(WANTED) do
      for _, key in ipairs(keys_of(wanted[1], wanted[2])) do look(buckets, key, wanted[3], wanted[4]) end
    end
  else
    for _, key in ipairs(with_home_first(redis.call('SMEMBERS', index))) do look(buckets, key) end
  end
  local shares = owner and redis.call('HGETALL', device_key(serial, 'shares')) or {}
  return { serial, owner, structure, seen, shares, buckets, 1 - redis.call('EXISTS', facts) }
end

local answer = {}
for _, each in ipairs(request.serials) do
  turn_to(each)
  local met, seen = known()
  if met then answer[#answer + 1] = snapshot(seen) end
end
return answer
