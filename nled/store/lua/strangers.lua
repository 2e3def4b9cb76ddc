-- The devices that are not kept, or the arrivals (request.arrivals): {serial, grade, address, last contact} of each.

local answer = {}
local flat = redis.call('ZRANGE', request.arrivals and ARRIVALS or DEVICES, 0, -1, 'WITHSCORES')
for i = 1, #flat, 2 do
  local p = place_of(flat[i])
  if p and p.grade ~= 'kept' then answer[#answer + 1] = { flat[i], p.grade, p.host, flat[i + 1] } end
end
return answer
