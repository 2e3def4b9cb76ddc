-- Writes by the server for a device, all of them or none: request.writes.
-- Returns {'unknown'} for a device nobody has met; {'conflict'} when a revision is not the expected one, or a
-- home not the device's; {'full'}; or {'ok', {outcome, revision, timestamp, delivery, minted}, ...}.

if not known() then return { 'unknown' } end
room().commanded()

-- An unclaimed device gets its structure with the first write to it, and a user, without whose name it would
-- not look at that.
local function founds_home(w)
  return not owner and w.key == DEFAULT_HOME and redis.call('HEXISTS', locate(w.key), 'v:name') == 0
end

local prepared, founding = {}, false
for i, w in ipairs(request.writes) do
  -- Claimed or given away since somebody looked.
  if elsewhere(w.key) then return { 'conflict' } end
  local names = {}
  for _, v in ipairs(w.values) do
    if v[3] ~= 'c' then names[#names + 1] = v[1] end
  end
  if founds_home(w) then
    founding = true
    w.values[#w.values + 1] = { 'name', '"Home"', 's' }
    w.values[#w.values + 1] = { 'devices', '["device.' .. serial .. '"]', 's' }
  end
  w.bounded = true
  local outcome, revision, timestamp, carry_out = prepare(w)
  if outcome == 'conflict' or outcome == 'full' then return { outcome } end
  prepared[i] = { names, outcome, revision, timestamp, carry_out }
end

if founding then server_write({ key = DEFAULT_USER, values = { { 'name', '"default"', 's' } } }) end
local answer = { 'ok' }
for i, w in ipairs(request.writes) do
  local names, outcome, revision, timestamp, carry_out = unpack(prepared[i])
  if carry_out then
    revision, timestamp = carry_out()
    answer[i + 1] = { outcome, revision, timestamp, 'queued', timestamp }
  else
    local state, minted = delivery(w.key, names, 0)
    answer[i + 1] = { outcome, revision, timestamp, state, minted }
  end
end
return answer
