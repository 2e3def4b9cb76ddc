"""What people and programs do to a thermostat; every API comes in here."""

from collections.abc import Callable, Sequence

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from nled.actions.access import permit
from nled.actions.feed import Feed
from nled.domain.access import Need, Principal
from nled.domain.buckets import encode
from nled.domain.commands import WANTED, Change
from nled.domain.device import Delivery, Device, Moment, slowest
from nled.domain.errors import Conflict, NotKnown
from nled.domain.wire import Receipt
from nled.store.devices import Devices, Write, Written

# Somebody else writing the same bucket between our read and our write is rare; five times is a fault.
_TRIES = 5
_log = Logger()

# Makes of a device as it stands, at a moment, what is to be written; the main bucket first.
Plan = Callable[[Device, Moment], Sequence[Change]]


@frozen
class Done:
    """What a command wrote, its main bucket first, and how far the device has come with all of it."""

    changes: tuple[Change, ...]
    written: tuple[Written, ...]
    delivery: Delivery

    @property
    def receipt(self) -> Receipt:
        """Where the main bucket stands."""
        return self.written[0].receipt


@frozen
class Control:
    """The control side's use cases.

    Attributes:
        clock: for `wait`, and for the time of a write.
        offset: seconds local time is ahead of UTC.
    """

    devices: Devices
    feed: Feed
    clock: IReactorTime
    offset: Callable[[], int]

    async def command(self, who: Principal, serial: str, name: str, rule: Plan, wait: float = 0.0) -> Done:
        """Carry out a command; it is stored when this returns, and sent when it can be.

        Args:
            who: who asks; they need to be allowed to write.
            serial: upper-case.
            name: what the log calls the command.
            rule: gives what to write.
            wait: seconds, how long to wait until the device has acknowledged it.

        Raises:
            BadRequest, Conflict: by the rule; nothing was written.
            NotKnown, Denied: no such device, or not for this one.
            StoreUnavailable: nothing was done.
        """
        if wait <= 0:
            return await self._carry_out(who, serial, name, rule)
        # Listened to before it is written: the device may be quicker than our next step.
        listener = self.feed.open(frozenset({serial}))
        try:
            done = await self._carry_out(who, serial, name, rule)
            end = self.clock.seconds() + wait
            heard = True
            while heard and done.delivery != "acknowledged":
                heard = await listener.next(max(0, end - self.clock.seconds())) is not None
                # Asked once more in any case: of a bucket with more under way no notice tells of a part.
                delivery = await self.devices.delivery(serial, done.written, self._now())
                done = evolve(done, delivery=delivery)
            return done
        finally:
            listener.close()

    def _now(self) -> int:
        return int(self.clock.seconds() * 1000)

    async def _carry_out(self, who: Principal, serial: str, name: str, rule: Plan) -> Done:
        for _ in range(_TRIES):
            now = self._now()
            device = await self.devices.read(serial, now, WANTED)
            if device is None:
                raise NotKnown("Device not found")
            permit(who, Need.WRITE, device)
            changes = tuple(rule(device, Moment(now, self.offset())))
            written = await self.devices.write(serial, [_write(device, each) for each in changes], now)
            if written is not None:
                done = Done(changes, written, slowest([each.delivery for each in written]))
                _log.info(
                    "{serial}: {name} by {who}, {delivery} as revision {revision} of {key}.",
                    serial=serial,
                    name=name,
                    who=who.name,
                    delivery=done.delivery,
                    revision=done.receipt.revision,
                    key=done.receipt.key,
                )
                return done
        raise Conflict(f"{serial} kept changing while {name} was tried {_TRIES} times; try again.")


def _write(device: Device, change: Change) -> Write:
    bucket = device.bucket(change.kind)
    texts = {name: encode(value) for name, value in change.values.items()}
    # What a rule found in a bucket must still be there when this is written.
    return Write(bucket.key, texts, bucket.revision if change.kind in WANTED else None)
