-- {serial, grade, address, last contact} of each device that is not kept; or, with request.arrivals, of each arrival,
-- and with request.waiting of each device that nobody owns as well.

local answer = {}

local function add(set, wanted)
  local flat = redis.call('ZRANGE', set, 0, -1, 'WITHSCORES')
  for i = 1, #flat, 2 do
    local p = place_of(flat[i])
    if wanted(flat[i], p) then
      answer[#answer + 1] = { flat[i], p and p.grade or 'seen', p and p.host or '', flat[i + 1] }
    end
  end
end

if not request.arrivals then
  add(DEVICES, function(_, p) return p and p.grade ~= 'kept' end)
else
  add(ARRIVALS, function(_, p) return p end)
  if request.waiting then
    add(DEVICES, function(member) return not redis.call('ZSCORE', OWNED, member) end)
  end
end
return answer
