-- What has become newer for a held poll. request.opened: when it was opened; request.claims: {{key, timestamp}, ...},
-- what it lists, and has been sent since. Returns {updates, in how many ms more is due or null}.

local claims = {}
local keys = redis.call('SMEMBERS', index)
table.sort(keys)
for _, claim in ipairs(request.claims) do claims[claim[1]] = claim[2] end

local updates = {}
for _, key in ipairs(with_home_first(keys)) do
  updates[#updates + 1] = newer(key, claims[key] or unlisted(key))
end
return { updates, due or false }
