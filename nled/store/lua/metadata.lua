-- Where a device's buckets stand: {revision, timestamp, key} each; nothing is written but that it was heard of.

-- What is written need not be.
if not request.refused then pcall(room().touch) end

local keys, answer = redis.call('SMEMBERS', index), {}
table.sort(keys)
for _, key in ipairs(with_home_first(keys)) do
  local revision, timestamp = numbers(locate(key), 'r', 't')
  if revision > 0 then answer[#answer + 1] = { revision, timestamp, key } end
end
return answer
