-- Forget request.most devices that are not kept, and what was told of them. Returns how many there were.

local gone, forgotten = {}, 0
for _, pool in ipairs({ 'new', 'seen' }) do
  for _, host in ipairs(redis.call('ZRANGE', addresses_key(pool), 0, request.most - 1)) do
    local left = request.most - forgotten
    local members = left > 0 and redis.call('ZRANGE', address_key(pool, host), 0, left - 1) or {}
    for _, member in ipairs(members) do
      gone[member] = true
      room().give_way(member)
    end
    forgotten = forgotten + #members
  end
end
if forgotten > 0 then
  forget_past(gone)
  leave_keys(gone)
end
return forgotten
