-- One write by the server for a device it has met: request.write.
-- Returns {outcome, revision, timestamp}, the outcome being 'unknown' for a device nobody has met.

if not owner and not redis.call('ZSCORE', DEVICES, serial) then return { 'unknown', 0, 0 } end
request.write.origin = 'server'
return server_write(request.write)
