-- Devices as they stand: request.serials; request.wanted, null for everything or {{kind, {'r', 't', 'w', 'a',
-- 'p', 'v:NAME', ...}}, ...}. Returns for each that is known {serial, owner, structure, last contact, facts,
-- shares, {key, fields, pending, ...}}: fields as HMGET has them, or as HGETALL when everything is wanted;
-- pending {name, revision, timestamp, written at, delivery, ...}, null where there is nothing.

local function look(buckets, key, names)
  local content, view = locate(key)
  local fields, revision, newest, acked, pushed
  if names then
    fields = redis.call('HMGET', content, unpack(names))
    revision, newest, acked, pushed = fields[1], fields[3], fields[4], fields[5]
  else
    fields = redis.call('HGETALL', content)
    revision, newest, acked, pushed = unpack(redis.call('HMGET', content, 'r', 'w', 'a', 'p'))
  end
  if not revision then return end
  if content ~= view then acked, pushed = unpack(redis.call('HMGET', view, 'a', 'p')) end
  newest, acked, pushed = tonumber(newest or 0), tonumber(acked or 0), tonumber(pushed or 0)
  local pending = false
  if newest > acked then
    pending = {}
    for name, stamp in pairs((contents(content))) do
      local state, n = progress(stamp, acked, pushed), #pending
      if state ~= 'acknowledged' then
        pending[n + 1], pending[n + 2], pending[n + 3] = name, stamp.revision, stamp.timestamp
        pending[n + 4], pending[n + 5] = stamp.at, state
      end
    end
  end
  local n = #buckets
  buckets[n + 1], buckets[n + 2], buckets[n + 3] = key, fields, pending
end

local function whole_key(kind)
  if kind == 'user' then return owner and 'user.' .. owner or DEFAULT_USER end
  if kind == 'structure' then return structure and 'structure.' .. structure or DEFAULT_HOME end
  return kind .. '.' .. serial
end

local function snapshot()
  local buckets = {}
  if given(request.wanted) then
    for _, wanted in ipairs(request.wanted) do look(buckets, whole_key(wanted[1]), wanted[2]) end
  else
    for _, key in ipairs(with_home_first(redis.call('SMEMBERS', index))) do look(buckets, key) end
  end
  return {
    serial, owner, structure, redis.call('ZSCORE', DEVICES, serial), redis.call('HGETALL', facts),
    owner and redis.call('HGETALL', device_key(serial, 'shares')) or {}, buckets,
  }
end

local answer = {}
for _, each in ipairs(request.serials) do
  turn_to(each)
  if known() then answer[#answer + 1] = snapshot() end
end
return answer
