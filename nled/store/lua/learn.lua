-- A device was told by its session to be the one behind a MAC: request.mac. Nothing is kept of who is not known.

if own_place() or redis.call('ZSCORE', DEVICES, serial) then learn_mac(request.mac, room().keep) end
