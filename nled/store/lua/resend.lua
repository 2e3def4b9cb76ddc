-- Offer a device again what the server wrote and it still needs: never its telemetry, and no setpoint that it
-- has taken or that went stale. Returns how many buckets there are of that.

local function offer(key)
  local content, view = locate(key)
  local acked = numbers(view, 'a')
  local set, names = {}, {}
  local revision, timestamp, claimed = numbers(content, 'r', 't', 'c')
  revision, timestamp = revision + 1, math.max(now, timestamp + 1, claimed + 1)
  for name, stamp in pairs((contents(content))) do
    -- What was meant for a moment is not told a home's other devices once more.
    local waits = content == view and stamp.timestamp > acked and not expired(stamp)
    if stamp.kind == 's' or waits then
      set[#set + 1], set[#set + 2] = 's:' .. name, stamp_text(revision, timestamp, stamp.at, stamp.kind)
      names[#names + 1] = name
    end
  end
  if #set == 0 then return 0 end
  redis.call('HSET', content, 'r', revision, 't', timestamp, 'w', timestamp, unpack(set))
  publish(key, revision, timestamp, 'server', names)
  return 1
end

local offered = 0
for _, key in ipairs(with_home_first(redis.call('SMEMBERS', index))) do offered = offered + offer(key) end
return offered
