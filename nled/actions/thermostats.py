"""What people and programs see of the thermostats, and how they let go of one."""

from collections.abc import Callable, Mapping

from attrs import frozen
from twisted.logger import Logger

from nled.actions.access import Authority, permit
from nled.domain.access import Need, Principal
from nled.domain.availability import Availability, availability
from nled.domain.device import Bucket, Device
from nled.domain.errors import NotKnown
from nled.domain.rooms import NAMING
from nled.domain.thermostat import VIEW, Status, view
from nled.hub import Hub
from nled.store.devices import Devices, Wanted

_log = Logger()
_UNKNOWN = "Device not found"


@frozen
class Thermostats:
    """The use cases of everything that is read, and of letting go.

    Each raises StoreUnavailable; those about one device raise NotKnown, or Denied for one who may not.

    Attributes:
        now: ms since the epoch.
        window: ms of silence after which a device is not available any more.
        paired_only: whether only owned devices are listed (protocol c.4).
    """

    devices: Devices
    authority: Authority
    hub: Hub
    now: Callable[[], int]
    window: int
    paired_only: bool

    async def one(
        self, who: Principal, serial: str, fields: Wanted | None = None, *, expired: bool = False
    ) -> Device:
        """Read one device; all of it, or the fields wanted. With `expired` also one whose state expired."""
        device = await self.devices.read(serial, self.now(), fields)
        if device is None:
            raise NotKnown(_UNKNOWN)
        permit(who, Need.READ, device, expired=expired)
        return device

    async def status(self, who: Principal, serial: str) -> Status:
        """See one thermostat."""
        return self._view(await self.one(who, serial, VIEW))

    async def all(self, who: Principal) -> list[Status]:
        """See all thermostats that somebody may see, by serial."""
        serials = await self.serials(who)
        return [
            self._view(device)
            async for device in self.devices.each(serials, self.now(), VIEW)
            if device.owner or not self.paired_only
        ]

    async def named(self, who: Principal) -> list[Device]:
        """Read what it takes to name each thermostat that somebody may see."""
        return [device async for device in self.devices.each(await self.serials(who), self.now(), NAMING)]

    async def serials(self, who: Principal) -> list[str]:
        """List the devices that somebody may see."""
        visible = await self.authority.visible(who)
        return sorted(visible) if visible is not None else await self.devices.serials()

    async def schedule(self, who: Principal, serial: str) -> Bucket:
        """Read a device's schedule."""
        return (
            await self.one(who, serial, {"schedule": ("ver", "name", "schedule_mode", "mode", "days")})
        ).schedule

    async def resend(self, who: Principal, serial: str) -> int:
        """Offer a device again what the server wrote; returns how many of its polls are held here."""
        await self.authority.allow(who, Need.WRITE, serial)
        await self.devices.resend(serial, self.now())
        return self.hub.held(serial)

    async def dismiss(self, who: Principal, serial: str) -> bool:
        """Take the pairing dialog off a device's screen; False where there is none."""
        await self.authority.allow(who, Need.WRITE, serial)
        return await self.devices.dismiss(serial, self.now())

    async def owned(self, who: Principal, user: str) -> list[tuple[str, int]]:
        """List the devices of a user, each with when it was claimed (ms); newest first."""
        owned = await self.devices.owned(user)
        visible = await self.authority.visible(who)
        return [each for each in owned if visible is None or each[0] in visible]

    async def unpair(self, who: Principal, serial: str, user: str | None = None) -> bool:
        """Take a device from its owner; False if nobody has it, or not this `user`."""
        standing = await self.authority.allow(who, Need.OWN, serial)
        if not await self.devices.unpair(serial, user, self.now()):
            return False
        _log.info("{serial}: taken from {owner} by {who}.", serial=serial, owner=standing.owner, who=who.name)
        return True

    async def forget(self, who: Principal, serial: str) -> int:
        """Forget all that is kept of a device; returns how many buckets that were."""
        await self.authority.allow(who, Need.OWN, serial)
        deleted = await self.devices.forget(serial, self.now())
        if deleted is None:
            raise NotKnown(_UNKNOWN)
        _log.info("{serial}: forgotten, as {who} asked.", serial=serial, who=who.name)
        return deleted

    def _view(self, device: Device) -> Status:
        return view(device, self.now(), self.window, self.hub.held(device.serial))

    async def contacts(self, who: Principal) -> Mapping[str, Availability]:
        """Tell when each device was last heard of."""
        now, visible = self.now(), await self.authority.visible(who)
        return {
            serial: availability(seen, now, self.window)
            for serial, seen in sorted((await self.devices.contacts(now)).items())
            if visible is None or serial in visible
        }
