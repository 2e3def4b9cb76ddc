-- A device was told by its session to be the one behind a MAC: request.mac. Nothing is kept of a stranger.

if redis.call('ZSCORE', DEVICES, serial) then learn_mac(request.mac) end
