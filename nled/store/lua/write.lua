-- How a bucket changes; `commit` is the only place where values do.

-- A receipt carries a revision and a timestamp that the device has from then on. What the server wrote and
-- the device has not seen must stay newer than that, or it would count as acknowledged and be lost.

-- The writes that the device has not seen and still takes. Those it has not seen and that went stale it has
-- missed from here on.
local function unseen(view, stamps, seen)
  local waiting = {}
  for name, stamp in pairs(stamps) do
    if not seen(stamp) then
      if expired(stamp) then miss(view, name, stamp) else waiting[name] = stamp end
    end
  end
  return waiting
end

-- Where nothing changed: the point just before the first write the device has not seen.
local function as_seen(view, stamps, seen, revision, timestamp)
  for _, stamp in pairs(unseen(view, stamps, seen)) do
    revision = math.min(revision, stamp.revision - 1)
    timestamp = math.min(timestamp, stamp.timestamp - 1)
  end
  return revision, timestamp
end

-- Where something did: those writes move up behind it.
local function keep_unseen_newer(key, stamps, seen, revision, timestamp)
  local content, view = locate(key)
  local moved, last = {}, 0
  for name, stamp in pairs(unseen(view, stamps, seen)) do
    if stamp.timestamp <= timestamp then
      last = math.max(last, stamp.timestamp)
      stamp.revision, stamp.timestamp = revision + 1, timestamp + 1
      redis.call('HSET', content, 's:' .. name, stamp_text(stamp.revision, stamp.timestamp, stamp.at, stamp.kind))
      moved[#moved + 1] = name
    end
  end
  if #moved > 0 then
    redis.call('HSET', content, 'r', revision + 1, 't', timestamp + 1, 'w', timestamp + 1)
    -- It is no new change: how often it was written to the device goes along.
    local _, _, _, counted, taken = offered(view)
    if counted > 0 and last <= counted then
      redis.call('HSET', view, 'o', timestamp + 1, 'u', last <= taken and timestamp + 1 or taken)
    end
    publish(key, revision + 1, timestamp + 1, 'server', moved)
  end
end

-- Whether the device has had a server write: it acknowledged it, or writes on top of a revision that
-- holds it and that was pushed. One that has lost everything (claims 0, builds on 0) has not.
local function witness(view, w, revision)
  local acked, pushed, claimed = numbers(view, 'a', 'p', 'c')
  local basis = given(w.expect) and w.expect or (given(w.base) and w.base or nil)
  -- A basis above our own revision was minted by another server and says nothing.
  if basis and basis > revision then basis = 0 end
  local lost = basis == 0 and claimed == 0
  return function(stamp)
    if lost and stamp.kind == 's' then return false end
    return stamp.timestamp <= acked
      or (basis ~= nil and basis >= stamp.revision and stamp.timestamp <= pushed)
  end, acked, lost
end

-- A number as its sign, its digits without zeros at either end, and the power of ten behind them. As texts, since
-- Lua's own numbers are exact up to 2^53 only.
local function plain_number(text)
  local sign, whole, part, power = text:match('^(-?)(%d+)%.?(%d*)[eE]?([+-]?%d*)$')
  local digits = (whole .. part):gsub('^0+', '')
  local short = digits:gsub('0+$', '')
  if short == '' then return '0' end
  return string.format('%s%se%.0f', sign, short, (tonumber(power) or 0) - #part + #digits - #short)
end

-- The end of the string that begins at a quote.
local function string_end(text, from)
  repeat
    local at, _, what = text:find('(["\\])', from + 1)
    from = what == '"' and at or at + 1
  until what == '"'
  return from
end

-- A JSON text without white space, from a position on, in the one form that all equal ones have: numbers plain,
-- the members of objects in order; and where it ends.
local function plain(text, from)
  local first = text:sub(from, from)
  if first == '"' then
    local till = string_end(text, from)
    return text:sub(from, till), till
  elseif first ~= '{' and first ~= '[' then
    local _, till, token = text:find('^([^,%]}]+)', from)
    return first:find('[-%d]') and plain_number(token) or token, till
  end
  local parts, at = {}, from + 1
  while text:find('^[^%]}]', at) do
    local name = ''
    if first == '{' then
      local till = string_end(text, at)
      name, at = text:sub(at, till + 1), till + 2
    end
    local value, till = plain(text, at)
    parts[#parts + 1] = name .. value
    at = text:find('^,', till + 1) and till + 2 or till + 1
  end
  if first == '{' then table.sort(parts) end
  return first .. table.concat(parts, ',') .. text:sub(at, at), at
end

-- Ten times as fast, but cjson rounds long numbers and makes the same of [] and {}.
local function roughly_equal(a, b)
  if type(a) ~= 'table' or type(b) ~= 'table' then return a == b end
  for k, v in pairs(a) do if not roughly_equal(v, b[k]) then return false end end
  for k in pairs(b) do if a[k] == nil then return false end end
  return true
end

-- Whether two values are the same: numbers as numbers (21 = 21.0), objects whatever the order of their members.
local function equal(a, b)
  if not a or a == b then return a == b end
  local x, y = tonumber(a), tonumber(b)
  if x ~= y then return false end
  if not x then
    local open = a:sub(1, 1)
    if open ~= b:sub(1, 1) or (open ~= '{' and open ~= '[') then return false end
    if not roughly_equal(cjson.decode(a), cjson.decode(b)) then return false end
    local both = a .. b
    local empties = both:find('[]', 1, true) and both:find('{}', 1, true)
    if not empties and not both:find(('%d'):rep(16)) then return true end
  end
  return plain(a, 1) == plain(b, 1)
end

-- The values and server writes of the fields that w names.
local function fields_of(content, w)
  local names, stamps, values = {}, {}, {}
  for _, v in ipairs(w.values) do
    names[#names + 1], names[#names + 2] = 'v:' .. v[1], 's:' .. v[1]
  end
  if #names == 0 then return stamps, values end
  local found = redis.call('HMGET', content, unpack(names))
  for i, v in ipairs(w.values) do
    values[v[1]] = found[2 * i - 1] or nil
    stamps[v[1]] = found[2 * i] and stamp_of(found[2 * i]) or nil
  end
  return stamps, values
end

-- Plan to set a field; returns by how many bytes the bucket grows.
local function plan(set, values, name, text)
  set[#set + 1], set[#set + 2] = 'v:' .. name, text
  return size_of(name, text) - (values[name] and size_of(name, values[name]) or 0)
end

-- Plan to drop what a replacing write does not name; returns by how many bytes the bucket grows.
local function plan_rest(drop, values, w)
  local grown, named = 0, {}
  for _, v in ipairs(w.values) do named[v[1]] = true end
  for name, text in pairs(w.replace and values or {}) do
    if not named[name] then
      drop[#drop + 1], drop[#drop + 2] = 'v:' .. name, 's:' .. name
      grown = grown - size_of(name, text)
    end
  end
  return grown
end

-- The names of the fields that set and drop write or take away.
local function names_in(set, drop)
  local names = {}
  for i = 1, #set, 2 do names[#names + 1] = set[i]:sub(3) end
  for _, field in ipairs(drop) do
    if field:sub(1, 2) == 'v:' then names[#names + 1] = field:sub(3) end
  end
  return names
end

-- Mint the next revision and timestamp, and store: set and drop are hash fields and values.
local function commit(w, content, view, set, drop, grown)
  local revision, timestamp, claimed = numbers(content, 'r', 't', 'c')
  local new, names = revision == 0, names_in(set, drop)
  revision, timestamp = revision + 1, math.max(now, timestamp + 1, claimed + 1)
  if w.origin == 'server' then
    for _, v in ipairs(w.values) do
      set[#set + 1], set[#set + 2] = 's:' .. v[1], stamp_text(revision, timestamp, now, v[3])
    end
    set[#set + 1], set[#set + 2] = 'w', timestamp
  end
  if #drop > 0 then redis.call('HDEL', content, unpack(drop)) end
  redis.call('HSET', content, 'r', revision, 't', timestamp, unpack(set))
  if content == view then
    if grown ~= 0 then weighed(redis.call('HINCRBY', facts, 'bytes', grown)) end
    -- From then on it lives on with the device's other keys, by contact.
    if new then
      redis.call('SADD', index, w.key)
      live_on(index)
      live_on(content)
    end
  end
  record_change(w.key, set)
  publish(w.key, revision, timestamp, w.origin, names)
  return revision, timestamp
end

-- Companions go with the last setpoint that waits: on their own they say that there is one to come.
local function drop_companions(drop, stamps, seen)
  for _, stamp in pairs(stamps) do
    if stamp.kind == 'm' and not seen(stamp) and not expired(stamp) then return end
  end
  for name, stamp in pairs(stamps) do
    if stamp.kind == 'c' then
      drop[#drop + 1] = 's:' .. name
      stamps[name] = nil
    end
  end
end

-- What keeps a bucket from growing: 'full', what the device may have, or 'crowded', what all that nobody keeps may.
local function too_much(w, view, grown)
  local fields = redis.call('HLEN', view)
  if fields == 0 and redis.call('SCARD', index) >= request.most_buckets then return 'full' end
  if fields + #w.values > 4 * request.most_fields then return 'full' end
  if grown <= 0 then return nil end
  local bytes = numbers(facts, 'bytes') + grown
  return bytes > request.most_bytes and 'full' or not room().bearable(bytes) and 'crowded' or nil
end

-- What a device writes. w: key; values {{name, text}, ...}; replace, whether they are all there is;
-- base and expect, revisions that may be missing; refused, to be answered but not applied.
-- Returns what became of it ('stored', 'same', 'conflict', 'refused', 'full', 'crowded'), revision, timestamp.
local function device_write(w)
  local content, view = locate(w.key)
  local revision, timestamp, newest = numbers(content, 'r', 't', 'w')
  local seen, acked, lost = witness(view, w, revision)
  if w.refused then
    -- Not even where it stands, unless the device has that.
    if newest > acked then revision, timestamp = 0, 0 end
    return { 'refused', revision, timestamp }
  end
  local stamps, values
  if w.replace or lost or newest > acked then
    stamps, values = contents(content)
  else
    stamps, values = fields_of(content, w)
  end
  local up_to = acked
  for _, stamp in pairs(stamps) do
    if seen(stamp) then up_to = math.max(up_to, stamp.timestamp) end
  end
  if up_to > acked then acknowledge(view, w.key, revision, up_to, newest) end

  if given(w.expect) and w.expect ~= revision then
    -- The stored revision, which the device needs for its next try.
    return { 'conflict', revision, select(2, as_seen(view, stamps, seen, revision, timestamp)) }
  end

  -- The echo guard: the device prepared this before it had the server's write of the same field, or of any
  -- field of what is one whole.
  local function stale(stamp)
    return stamp and given(w.base) and not given(w.expect) and not seen(stamp) and not expired(stamp)
  end
  local outdated
  for _, stamp in pairs(w.replace and stamps or {}) do outdated = outdated or stale(stamp) end
  if outdated then w.values, w.replace = {}, false end

  local set, drop, grown = {}, {}, 0
  for _, v in ipairs(w.values) do
    local name, text, stamp = v[1], v[2], stamps[v[1]]
    if not stale(stamp) and not equal(values[name], text) then
      grown = grown + plan(set, values, name, text)
      drop[#drop + 1] = 's:' .. name
    elseif stamp and missed(redis.call('HGET', view, 'x'))[name] == stamp.revision then
      -- What it missed it has come to by itself.
      redis.call('HDEL', content, 's:' .. name)
    end
  end
  grown = grown + plan_rest(drop, values, w)

  local outcome = #set + #drop == 0 and 'same' or too_much(w, view, grown)
  if outcome then return { outcome, as_seen(view, stamps, seen, revision, timestamp) } end
  -- What the device has changed as a whole is its own as a whole.
  for name in pairs(w.replace and stamps or {}) do drop[#drop + 1] = 's:' .. name end
  for _, field in ipairs(drop) do stamps[field:sub(3)] = nil end
  drop_companions(drop, stamps, seen)
  revision, timestamp = commit(w, content, view, set, drop, grown)
  keep_unseen_newer(w.key, stamps, seen, revision, timestamp)
  return { 'stored', revision, timestamp }
end

-- What it takes to write for the server. w: key; values {{name, text, kind}, ...}, companions being no change
-- on their own; replace; expect, a revision that may be missing; bounded, whether limits apply; anew, whether to write
-- what is there already, too.
-- Returns 'stored', 'same', 'conflict' or 'full', where the bucket stands, and what carries it out if it is to be.
local function prepare(w)
  local content, view = locate(w.key)
  local revision, timestamp = numbers(content, 'r', 't')
  local acked, never = unpack(redis.call('HMGET', view, 'a', 'x'))
  acked, never = tonumber(acked or 0), missed(never)
  if given(w.expect) and w.expect ~= revision then return 'conflict', revision, timestamp end
  local stamps, values
  if w.replace then stamps, values = contents(content) else stamps, values = fields_of(content, w) end
  local set, drop, grown, changed = {}, {}, 0, false
  for _, v in ipairs(w.values) do
    local name, text, kind = unpack(v)
    local stamp = stamps[name]
    -- A command that went stale before the device took it counts for nothing: said again, it is new.
    local forgotten = stamp and progress(name, stamp, acked, acked, never) == 'expired'
    changed = changed or kind ~= 'c' and (w.anew or forgotten or not equal(values[name], text))
    grown = grown + plan(set, values, name, text)
  end
  grown = grown + plan_rest(drop, values, w)
  if not changed and #drop == 0 then return 'same', revision, timestamp end
  if w.bounded and content == view and too_much(w, view, grown) then return 'full', revision, timestamp end
  return 'stored', revision, timestamp, function()
    w.origin = 'server'
    return commit(w, content, view, set, drop, grown)
  end
end

-- Write for the server, as `prepare` has it.
local function server_write(w)
  local carry_out = select(4, prepare(w))
  if carry_out then carry_out() end
end
