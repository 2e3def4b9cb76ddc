-- Take a device from its owner, or from request.user if that is who it is. Returns 1 if it was theirs.

if not owner or (given(request.user) and request.user ~= owner) then return 0 end
leave_home()
forget_access()
tell_unpaired()
return 1
