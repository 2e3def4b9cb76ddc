-- How far writes by the server have come: request.writes, {{key, {field, ...}, minted}, ...}.
-- Returns the delivery of each.

local answer = {}
for i, w in ipairs(request.writes) do answer[i] = delivery(w[1], w[2], w[3]) end
return answer
