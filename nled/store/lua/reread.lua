-- What has become newer for a held poll. request.claims: {{key, timestamp}, ...}, what that poll has so
-- far; a bucket it does not know yet counts as 0. Returns {updates, in how many ms more is due or null}.

local claims = {}
local keys = redis.call('SMEMBERS', index)
table.sort(keys)
for _, claim in ipairs(request.claims) do claims[claim[1]] = claim[2] end

local updates = {}
for _, key in ipairs(with_home_first(keys)) do
  updates[#updates + 1] = newer(key, claims[key] or 0)
end
return { updates, due or false }
