-- A device's PUT: request.writes in its order. Returns {'full'} or {'ok', {outcome, revision, timestamp}, ...}.

if not contact() then return { 'full' } end
local answer = { 'ok' }
for _, w in ipairs(request.writes) do
  w.origin = 'device'
  answer[#answer + 1] = device_write(w)
end
return answer
