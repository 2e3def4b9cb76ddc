-- Drop what devices, request.serials, need not keep any more: points of their history before request.points_over (ms),
-- and invites that ended before request.invites_over. Only for a clock that can be trusted: points that lie ahead of it
-- move to when they were.

-- Points that lie ahead of now were recorded by a clock that was ahead. Those behind them that could not have a time
-- of their own say it in '@'. Before the first of these, or before now, the last of the others was recorded.
local function retime(stream, latest)
  local points = redis.call('XRANGE', stream, '-', '+')
  local last, turn = nil, now
  for _, point in ipairs(points) do
    local ms, fields = tonumber(point[1]:match('^%d+')), point[2]
    point.at = ms
    for i = 1, #fields, 2 do
      if fields[i] == '@' then point.told, point.mark = tonumber(fields[i + 1]), i end
    end
    if point.told then turn = math.min(turn, point.told) elseif ms > now then last = ms end
  end
  redis.call('DEL', stream)
  local before, count = -1, 0
  for _, point in ipairs(points) do
    local at, fields = point.at, point[2]
    if point.told then
      at = point.told
      table.remove(fields, point.mark)
      table.remove(fields, point.mark)
    elseif at > now then
      at = turn - (last - at)
    end
    at = math.max(math.min(math.floor(at), now), before)
    count = at == before and count + 1 or 0
    before = at
    redis.call('XADD', stream, string.format('%.0f-%.0f', at, count), unpack(fields))
  end
  redis.call('HSET', latest, '@', string.format('%.0f %.0f', before, count))
  live_on(stream, request.history)
end

local function tidy_history()
  local stream, latest = device_key(serial, 'history'), device_key(serial, 'latest')
  local ms = tonumber((redis.call('HGET', latest, '@') or ''):match('^%d+'))
  if not ms then return end
  if ms < request.points_over then
    redis.call('DEL', stream, latest)
  else
    if ms > now + SKEW then retime(stream, latest) end
    redis.call('XTRIM', stream, 'MINID', '~', string.format('%.0f', math.max(request.points_over, 0)))
  end
end

local function tidy_invites()
  local invites = device_key(serial, 'invites')
  for _, id in ipairs(redis.call('SMEMBERS', invites)) do
    local created, expires = numbers(invite_key(id), 'created', 'expires')
    if created > now + SKEW then
      -- Made by a clock that was ahead, it would last as much longer.
      expires = now + expires - created
      redis.call('HSET', invite_key(id), 'created', now, 'expires', expires)
    end
    if expires < request.invites_over then
      redis.call('DEL', invite_key(id))
      redis.call('SREM', invites, id)
    end
  end
end

for _, device in ipairs(request.serials) do
  turn_to(device)
  tidy_history()
  if owner then tidy_invites() end
end
return 0
