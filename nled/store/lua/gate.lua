-- May this device pass? request.pin: the hash of its password, empty when passwords are not pinned.
-- Returns {tier, 1 or 0 for the password}.

local tier = 'unknown'
if owner then tier = 'paired'
elseif redis.call('EXISTS', device_key(serial, 'key')) == 1 then tier = 'pending' end

-- The password of who is not known is not kept: it is let in once more, and pinned when it is known.
local fits = 1
if request.pin ~= '' then
  local pin = device_key(serial, 'pin')
  -- What is written need not be: that the store takes no writes keeps nobody out.
  if not request.refused and (owner or own_place() or redis.call('ZSCORE', DEVICES, serial)) then
    redis.pcall('SET', pin, request.pin, 'NX')
    pcall(room().keep, pin)
  end
  fits = (redis.call('GET', pin) or request.pin) == request.pin and 1 or 0
end
return { tier, fits }
