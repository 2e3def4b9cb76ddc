-- A new subscribe, in one step: contact, claims (= acknowledgements), inline values, and what is newer.
-- request.listed: {{key, claim, values or null, whether they replace}, ...}.
-- Returns {'full'} or {'ok', updates, in how many ms more is due or null}.

request.opened = now
if not contact(true) then return { 'full' } end

-- A claim is also the floor for the next timestamp: a device that runs ahead still takes our writes,
-- and what was written before it was heard of, and never pushed, moves up to be newer.
local function record(key, claim)
  local content, view = locate(key)
  local last, acked, pushed = numbers(view, 'c', 'a', 'p')
  local revision, newest = numbers(content, 'r', 'w')
  if newest <= claim and newest > math.max(acked, pushed) then
    local function seen(stamp) return stamp.timestamp <= math.max(acked, pushed) end
    keep_unseen_newer(key, (contents(content)), seen, revision, claim)
  end
  if claim > acked then
    newest = numbers(content, 'w')
    if newest > acked then acknowledge(view, key, revision, claim, newest) else redis.call('HSET', view, 'a', claim) end
  end
  if last ~= claim then
    redis.call('HSET', view, 'c', claim)
    live_on(view)
    redis.call('SADD', index, key)
    live_on(index)
    if content ~= view and claim > numbers(content, 'c') then redis.call('HSET', content, 'c', claim) end
  end
end

-- Values that ride along: an upload by a device that claims nothing, or one that has moved on. An older
-- one tells us only that a pending change was seen on the screen (protocol b.2).
local function take(listed)
  local key, claim, values = listed[1], listed[2], listed[3]
  if claim > 0 and claim <= numbers(locate(key), 't') then
    local cleared = {}
    for _, v in ipairs(values) do
      if v[1] == 'target_change_pending' and v[2] == 'false' then cleared[1] = v end
    end
    values = cleared
  end
  if #values > 0 then
    device_write({ key = key, origin = 'device', values = values, base = claim == 0 and 0 or nil,
      replace = listed[4] and #values == #listed[3] })
  end
end

local claims, keys = {}, {}
for _, listed in ipairs(request.listed) do
  local key = listed[1]
  local free = redis.call('SISMEMBER', index, key) == 1 or redis.call('SCARD', index) < request.most_buckets
  if free and not elsewhere(key) then
    record(key, listed[2])
    if given(listed[3]) then take(listed) end
  end
  if not claims[key] then keys[#keys + 1] = key end
  claims[key] = listed[2]
end

if owner then settle_home() end

-- What the device does not list it is offered in three answers.
local stored = redis.call('SMEMBERS', index)
table.sort(stored)
for _, key in ipairs(with_home_first(stored)) do
  if not claims[key] then
    claims[key] = unlisted(key)
    keys[#keys + 1] = key
  end
end

local updates = {}
for _, key in ipairs(with_home_first(keys)) do updates[#updates + 1] = newer(key, claims[key]) end
return { 'ok', updates, due or false }
