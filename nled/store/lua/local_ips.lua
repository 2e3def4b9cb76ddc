-- The address on the local network that each of request.serials last told, as JSON text; '' where none did.

local answer = {}
for i, serial in ipairs(cjson.decode(ARGV[1]).serials) do
  answer[i] = redis.call('HGET', device_key(serial, 'bucket:device.' .. serial), 'v:local_ip') or ''
end
return answer
