-- Note what was written to a socket of the device: request.pushed, {{key, revision, timestamp, {name, ...}}, ...};
-- request.opened, when the poll was opened that it was written to.

for _, each in ipairs(request.pushed) do
  local key, revision, timestamp, names = unpack(each)
  local content, view = locate(key)
  local current, newest = numbers(content, 't', 'w')
  -- Unless it was forgotten meanwhile, or given away.
  if timestamp <= current and not elsewhere(key) then
    local pushed, at, tries, counted, taken = offered(view)
    local up_to = math.min(timestamp, newest)
    if up_to > counted then
      tries, counted = 1, up_to
    elseif request.opened >= at or at > now then
      -- Another answer. Polls that were open together are one try, and so is a note that comes twice.
      tries = tries + 1
    end
    if tries >= 3 then taken = math.max(taken, up_to) end
    redis.call('HSET', view, 'p', math.max(pushed, timestamp), 'pa', now, 'n', tries, 'o', counted, 'u', taken)
    if content ~= view then live_on(view) end
    if pushed < timestamp then notice(serial, key, revision, timestamp, 'pushed', names) end
  end
end
