-- Who has a place here, and who gives way when room is short (docs/store.md, "Room").
--
-- Each device and each arrival has a place: its grade ('arrival', 'new', 'poll', 'seen' or 'kept'), the day of
-- its first contact, its weight in blocks, 1 if it was told of, and the client address it came from last.
-- All but the kept are in a pool by that address; those that are seen by their poll share the pool of the seen.

local POOLS = { arrival = 'arrival', new = 'new', poll = 'seen', seen = 'seen' }
local DAY = 86400000
-- Longer than a poll is held: who subscribed since then holds one, or is about to.
local HOLD = 400000
-- Weights change by so many bytes, so that few writes change them.
local BLOCK = 4096
local MOST_ARRIVALS = 1000
-- Of an address that has so many that are not kept, more are not told of on their first day: a flood is no news.
local CROWD = 25

local function day_of(at) return string.format('%.0f', math.floor(at / DAY)) end

local function blocks_of(bytes) return 1 + math.floor(math.max(bytes, 0) / BLOCK) end

local function place_of(member)
  local text = redis.call('HGET', PLACES, member)
  if not text then return nil end
  local grade, day, blocks, told, host = text:match('^(%a+) (%d+) (%d+) (%d) (.*)$')
  return { grade = grade, day = day, blocks = tonumber(blocks), told = told == '1', host = host }
end

local function keep_place(member, p)
  redis.call('HSET', PLACES, member,
    string.format('%s %s %d %d %s', p.grade, p.day, p.blocks, p.told and 1 or 0, p.host))
end

-- The place of the device that this is about, read once; none is false.
local function own_place()
  if place == nil then place = place_of(serial) or false end
  return place
end

-- What is rarely needed is made when it is: the server makes every function of a script anew each time it runs.
local made

local function room()
  if made then return made end

  local function last_contact(member, pool)
    return tonumber(redis.call('ZSCORE', pool == 'arrival' and ARRIVALS or DEVICES, member) or nil)
  end

  local function count(name, by)
    if redis.call('HINCRBY', STRANGERS, name, by) == 0 then redis.call('HDEL', STRANGERS, name) end
  end

  -- Count at an address; what has come to nothing is not kept.
  local function count_at(key, host, by)
    if tonumber(redis.call('ZINCRBY', key, by, host)) <= 0 then redis.call('ZREM', key, host) end
  end

  local function weigh(p, by)
    if by == 0 or not POOLS[p.grade] or p.grade == 'arrival' then return end
    count('blocks', by)
    if p.grade == 'new' then count_at(WEIGHTS, p.host, by) end
  end

  local function join(member, p, at)
    local pool = POOLS[p.grade]
    if not pool or redis.call('ZADD', address_key(pool, p.host), at, member) == 0 then return end
    count_at(addresses_key(pool), p.host, 1)
    if pool ~= 'arrival' then count('devices', 1) end
    weigh(p, p.blocks)
  end

  local function leave(member, p)
    local pool = POOLS[p.grade]
    if not pool or redis.call('ZREM', address_key(pool, p.host), member) == 0 then return end
    count_at(addresses_key(pool), p.host, -1)
    if pool ~= 'arrival' then count('devices', -1) end
    if p.grade == 'poll' then redis.call('ZREM', POLLS, member) end
    weigh(p, -p.blocks)
  end

  local function move(member, p, grade, host, at)
    leave(member, p)
    p.grade, p.host = grade, host
    join(member, p, at)
    keep_place(member, p)
  end

  -- The one rule of who is kept: owned, commanded by a person, or pointed here by one.
  local function is_kept()
    return owner or redis.call('HEXISTS', facts, 'commanded') == 1
      or redis.call('EXISTS', device_key(serial, 'previous')) == 1
  end

  -- Note that somebody had to give way or was turned away, and at which address that lay; wired to the log.
  local function note(why, host)
    redis.call('HSET', STRANGERS, 'at', now, 'why', why, 'from', host)
  end

  -- Let go of a place; returns it.
  local function drop_place(member)
    local p = place_of(member)
    if p then leave(member, p) end
    redis.call('HDEL', PLACES, member)
    if member == serial then place = false end
    return p
  end

  -- Delete what there is of a device that nobody owns. Where it was looked for before it was pointed here stays.
  local function erase(member)
    local function its(what) return device_key(member, what) end
    for _, key in ipairs(redis.call('SMEMBERS', its('buckets'))) do redis.call('DEL', its('bucket:' .. key)) end
    local mac = redis.call('HGET', its('facts'), 'wifi')
    if mac and redis.call('GET', mac_key(mac)) == member then redis.call('DEL', mac_key(mac)) end
    local code = redis.call('HGET', its('key'), 'code')
    if code and redis.call('GET', code_key(code)) == member then redis.call('DEL', code_key(code)) end
    redis.call('DEL', its('facts'), its('buckets'), its('key'), its('pin'), its('secret'), its('history'),
      its('latest'))
    for _, set in ipairs({ DEVICES, ONLINE, ARRIVALS }) do redis.call('ZREM', set, member) end
    return drop_place(member)
  end

  -- Whether somebody had to give way in this step.
  local pressed = false

  local function give_way(member)
    local p = erase(member)
    pressed = true
    -- Who was not told of is not missed, unless a poll of it is to end.
    if p and (p.told or p.grade == 'poll') then notice(member, 'device.' .. member, 0, 0, 'forgotten') end
  end

  -- The longest unheard of an address; never the device that this is about. A pool has the times at which each
  -- came into it: they are put right here, so that no contact has to.
  local function oldest(pool, host)
    local key = address_key(pool, host)
    for _ = 1, 2000 do
      local first = redis.call('ZRANGE', key, 0, 1, 'WITHSCORES')
      local at = first[1] == serial and 3 or 1
      local member = first[at]
      if not member then return nil end
      local last = last_contact(member, pool)
      if last == tonumber(first[at + 1]) then return member end
      if last then
        redis.call('ZADD', key, last, member)
      else
        -- Gone by the hand of a version that knew no places.
        erase(member)
        redis.call('ZREM', key, member)
      end
    end
  end

  -- The longest unheard of the address that has most of a pool. The newcomer counts at its own.
  local function loser(pool, newcomer)
    local top = redis.call('ZREVRANGE', addresses_key(pool), 0, 9, 'WITHSCORES')
    if #top == 0 then return nil end
    local most = tonumber(top[2])
    local own = newcomer and tonumber(redis.call('ZSCORE', addresses_key(pool), newcomer) or 0) or 0
    if own > 0 and own + 1 >= most then return oldest(pool, newcomer), newcomer end
    local found, since, from
    for i = 1, #top, 2 do
      if tonumber(top[i + 1]) < most then break end
      local member = oldest(pool, top[i])
      local at = member and last_contact(member, pool) or 0
      if member and (not found or at < since) then found, since, from = member, at, top[i] end
    end
    return found, from
  end

  -- Who counted as seen by a poll, and holds none any more, is new.
  local function lapse()
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', POLLS, '-inf', now - HOLD, 'LIMIT', 0, 500)) do
      local p = place_of(member)
      if p and p.grade == 'poll' then
        move(member, p, 'new', p.host, last_contact(member, 'new') or now)
      else
        redis.call('ZREM', POLLS, member)
      end
    end
  end

  -- Let one give way to a newcomer; false where there is none that has to.
  local function make_room(newcomer, kept)
    lapse()
    local member, host = loser('new', newcomer)
    if not member and kept then member, host = loser('seen') end
    if not member then return false end
    give_way(member)
    note('devices', host)
    return true
  end

  -- Whether the devices that are not kept may weigh so many blocks more; the new ones give way for that.
  local function carries(more)
    for _ = 1, 100 do
      if tonumber(redis.call('HGET', STRANGERS, 'blocks') or 0) + more <= request.most_blocks then return true end
      local host = redis.call('ZREVRANGE', WEIGHTS, 0, 0)[1]
      local member = host and oldest('new', host)
      if not member then break end
      give_way(member)
      note('bytes', host)
    end
    note('bytes', request.sender or '')
    return false
  end

  -- Whether a device that has so many bytes now is within what all that are not kept may have together.
  local function bearable(bytes)
    local p = own_place()
    if not p or not POOLS[p.grade] then return true end
    local more = blocks_of(bytes) - p.blocks
    return more <= 0 or carries(more)
  end

  -- How many of those that are not kept one address may have, nil for any number.
  local function most_of_one()
    if request.per_address == 0 then return nil end
    if given(request.per_address) then return request.per_address end
    local strangers = tonumber(redis.call('HGET', STRANGERS, 'devices') or 0)
    local left = request.most_devices - (redis.call('ZCARD', DEVICES) - strangers)
    return math.max(1, math.floor(left / 2))
  end

  local function of_address(pool, host)
    return tonumber(redis.call('ZSCORE', addresses_key(pool), host) or 0)
  end

  -- Whether an address may have one more device that is not kept; a new one of its own gives way for that.
  local function share_left(host)
    local most = most_of_one()
    if not most or of_address('new', host) + of_address('seen', host) < most then return true end
    lapse()
    local member = oldest('new', host)
    if member then give_way(member) end
    note('address', host)
    return member ~= nil
  end

  -- Whether an address has so many that are not kept that more of them are no news.
  local function crowded(host) return of_address('new', host) + of_address('seen', host) >= CROWD end

  -- Count anew what the buckets of the device have, where they came by an import or were counted otherwise.
  local function recount()
    local bytes, keys = 0, redis.call('SMEMBERS', index)
    for _, key in ipairs(keys) do
      local _, values = contents(device_key(serial, 'bucket:' .. key))
      for name, text in pairs(values) do bytes = bytes + size_of(name, text) end
    end
    if #keys > 0 then redis.call('HSET', facts, 'bytes', bytes) end
    return bytes
  end

  -- Give a place to a device that has none: one that came with an import, or from a version that knew no places.
  local function place_known(host)
    local at = last_contact(serial)
    local first = day_of(tonumber(redis.call('HGET', facts, 'first') or nil) or at)
    -- Whether it was heard on two days is not known of all that were. One that came once, days ago, was made up.
    local once = first == day_of(at) and at < now - DAY
    place = { grade = is_kept() and 'kept' or once and 'new' or 'seen', day = first, blocks = blocks_of(recount()),
      told = true, host = host }
    join(serial, place, at)
    keep_place(serial, place)
    return place
  end

  -- Tell of a device from now on.
  local function tell_of(p)
    p.told = true
    notice(serial, 'device.' .. serial, 0, 0, 'met')
  end

  -- Fail where the server takes no writes, before anybody gives way: who has deleted something may go on to write.
  local function see_to_memory() redis.call('SET', PROBE, '', 'XX') end

  -- Take a device in that was none; p is its place if it is an arrival. False when the house is full.
  local function admit(p, polls)
    see_to_memory()
    local host, kept = request.sender or (p and p.host) or '', is_kept() and true
    if not kept and not share_left(host) then return false end
    if redis.call('ZCARD', DEVICES) >= request.most_devices and not make_room(host, kept) and not kept then
      note('devices', host)
      return false
    end
    if not kept and not carries(1) then return false end
    -- What a person does with an arrival is no contact of it.
    local at = not request.sender and last_contact(serial, 'arrival') or now
    if redis.call('ZREM', ARRIVALS, serial) == 1 and p then
      leave(serial, p)
      live_on(device_key(serial, 'pin'))
      local mac = redis.call('HGET', facts, 'wifi')
      if mac and redis.call('GET', mac_key(mac)) == serial then live_on(mac_key(mac)) end
    end
    redis.call('ZADD', DEVICES, at, serial)
    redis.call('HSETNX', facts, 'first', now)
    local day = day_of(tonumber(redis.call('HGET', facts, 'first')))
    local grade = kept and 'kept' or day ~= day_of(now) and 'seen' or polls and 'poll' or 'new'
    local bytes = tonumber(redis.call('HGET', facts, 'bytes') or 0)
    place = { grade = grade, day = day, blocks = blocks_of(bytes), told = false, host = host }
    if kept or not crowded(host) and (polls or not pressed) then tell_of(place) end
    join(serial, place, at)
    if grade == 'poll' then redis.call('ZADD', POLLS, now, serial) end
    keep_place(serial, place)
    return true
  end

  -- A contact by which a serial does not become a device: of one that is none it is an arrival, for a day.
  local function arrive()
    local p = own_place()
    if p and p.grade ~= 'arrival' or not p and (is_kept() or redis.call('ZSCORE', DEVICES, serial)) then
      return contact()
    end
    see_to_memory()
    local host = request.sender or ''
    if not p then
      if redis.call('ZCARD', ARRIVALS) >= MOST_ARRIVALS then
        local member, from = loser('arrival', host)
        erase(member)
        note('arrivals', from)
      end
      redis.call('HSETNX', facts, 'first', now)
      place = { grade = 'arrival', day = day_of(now), blocks = 1, told = false, host = host }
      join(serial, place, now)
      keep_place(serial, place)
    elseif host ~= p.host then
      move(serial, p, 'arrival', host, now)
    end
    redis.call('ZADD', ARRIVALS, now, serial)
    redis.call('PEXPIRE', facts, request.arrival_ttl)
    redis.call('PEXPIRE', device_key(serial, 'secret'), request.arrival_ttl)
    return true
  end

  -- A contact that is none of one who is not known.
  local function touch()
    local p = own_place()
    if p and p.grade == 'arrival' then arrive() elseif p or redis.call('ZSCORE', DEVICES, serial) then contact() end
  end

  -- Let a key of the device live on: that of an arrival for its day.
  local function keep(key)
    local p = own_place()
    if p and p.grade == 'arrival' then redis.call('PEXPIRE', key, request.arrival_ttl) else live_on(key) end
  end

  -- Its owner has changed, or a person has commanded it: it is kept from now on, or not any more. An arrival
  -- that is kept becomes a device.
  local function regrade()
    local p = own_place()
    if not p and redis.call('ZSCORE', DEVICES, serial) then p = place_known('') end
    if not p then return end
    local kept = is_kept()
    if p.grade == 'arrival' then
      if kept then
        admit(p)
        live_on(facts)
        live_on(device_key(serial, 'secret'))
      end
    elseif kept and p.grade ~= 'kept' then
      if not p.told then tell_of(p) end
      move(serial, p, 'kept', p.host, now)
    elseif not kept and p.grade == 'kept' then
      move(serial, p, 'seen', p.host, last_contact(serial) or now)
    end
  end

  -- Note that a person has commanded the device.
  local function commanded()
    local p = own_place()
    if p and p.grade == 'kept' then return end
    if not owner then redis.call('HSETNX', facts, 'commanded', now) end
    regrade()
  end

  made = {
    last_contact = last_contact,
    weigh = weigh,
    leave = leave,
    move = move,
    is_kept = is_kept,
    erase = erase,
    drop_place = drop_place,
    give_way = give_way,
    make_room = make_room,
    bearable = bearable,
    crowded = crowded,
    recount = recount,
    place_known = place_known,
    tell_of = tell_of,
    admit = admit,
    arrive = arrive,
    touch = touch,
    keep = keep,
    regrade = regrade,
    commanded = commanded,
  }
  return made
end

-- Note a contact of a device in its place, or give it one; polls: whether it holds a poll from now on.
-- Returns false when the house is full, else whether the device is told of.
stay = function(polls)
  local p = own_place()
  if p and p.grade == 'kept' then
    redis.call('ZADD', DEVICES, now, serial)
    return true, true
  end
  if not p and redis.call('ZSCORE', DEVICES, serial) then p = room().place_known(request.sender or '') end
  if not p or p.grade == 'arrival' then
    if not room().admit(p, polls) then return false end
    return true, place.told
  end
  redis.call('ZADD', DEVICES, now, serial)
  local grade, host = p.grade, request.sender or p.host
  if grade ~= 'seen' and p.day ~= day_of(now) then
    grade = 'seen'
  elseif grade == 'new' and polls then
    grade = 'poll'
  end
  if grade ~= p.grade or host ~= p.host then
    if not p.told and (grade == 'seen' or grade ~= p.grade and not room().crowded(host)) then room().tell_of(p) end
    room().move(serial, p, grade, host, now)
  end
  if grade == 'poll' and polls then redis.call('ZADD', POLLS, now, serial) end
  return true, p.told
end

-- Note how many bytes the device has now.
local function weighed(bytes)
  local p = own_place()
  if not p then return end
  local blocks = blocks_of(tonumber(bytes))
  if blocks == p.blocks then return end
  room().weigh(p, blocks - p.blocks)
  p.blocks = blocks
  keep_place(serial, p)
end
