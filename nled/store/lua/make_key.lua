-- Keep an API key: request.id, fields {name, text, ...}, user and devices (null for all), most_keys.
-- Returns {'ok'}, {'taken'} when there is one with that id, {'full'}, {'nobody'} (no such person), or
-- {'unknown', serial} for a device that nobody has met or claimed.

local request = cjson.decode(ARGV[1])
local record = api_key(request.id)
if redis.call('EXISTS', record) == 1 then return { 'taken' } end
if redis.call('SCARD', API_KEYS) >= request.most_keys then return { 'full' } end
if request.user ~= cjson.null and redis.call('HEXISTS', PEOPLE, request.user) == 0 then return { 'nobody' } end
for _, serial in ipairs(request.devices ~= cjson.null and request.devices or {}) do
  if not redis.call('ZSCORE', DEVICES, serial) and redis.call('EXISTS', device_key(serial, 'owner')) == 0 then
    return { 'unknown', serial }
  end
end
redis.call('HSET', record, unpack(request.fields))
redis.call('SADD', API_KEYS, request.id)
return { 'ok' }
