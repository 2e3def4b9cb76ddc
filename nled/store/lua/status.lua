-- How far a device's pairing has come: {user, at, open} of its owner, {code, expires} of its entry key.

room().touch()
return {
  redis.call('HMGET', device_key(serial, 'owner'), 'user', 'at', 'open'),
  redis.call('HMGET', device_key(serial, 'key'), 'code', 'expires'),
}
