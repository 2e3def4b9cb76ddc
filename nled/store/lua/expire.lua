-- Sweep devices that were last heard of before request.over (ms), at most request.most of them: of an owned one the
-- state goes and its owner stays, one that nobody owns is forgotten. Only for a clock that can be trusted.
-- Returns {serials that were forgotten, serials whose state went}.

-- Who was heard of in a time to come was so by a clock that was wrong.
local ahead = string.format('(%.0f', now + SKEW)
for _, device in ipairs(redis.call('ZRANGEBYSCORE', DEVICES, ahead, '+inf', 'LIMIT', 0, request.most)) do
  redis.call('ZADD', DEVICES, now, device)
end

local forgotten, emptied, gone = {}, {}, {}
local over = string.format('(%.0f', request.over)
for _, device in ipairs(redis.call('ZRANGEBYSCORE', DEVICES, '-inf', over, 'LIMIT', 0, request.most)) do
  turn_to(device)
  if owner then
    drop_state()
    emptied[#emptied + 1] = device
  else
    gone[device], forgotten[#forgotten + 1] = true, device
  end
end
if #forgotten > 0 then
  -- Once for all of them: each of these looks at everything there is.
  forget_past(gone)
  leave_keys(gone)
end
for _, device in ipairs(forgotten) do
  turn_to(device)
  drop_rest()
end
return { forgotten, emptied }
