"""What people and programs do to a thermostat; every API comes in here."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from attrs import evolve, field, frozen
from twisted.internet.defer import Deferred, TimeoutError  # noqa: A004 - Twisted's is another one
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from nled.actions.access import permit
from nled.actions.feed import Feed
from nled.actions.turns import Turns
from nled.domain.access import Need, Principal
from nled.domain.buckets import bucket_type, encode
from nled.domain.commands import Change, Rule
from nled.domain.device import Delivery, Device, Moment, slowest
from nled.domain.errors import Conflict, NotKnown
from nled.domain.wire import Receipt
from nled.store.client import StoreUnavailable
from nled.store.devices import Devices, Write, Written

# The device itself or another process may write between our looking and our writing; so often is a fault.
_TRIES = 51
# Seconds that a command waits for those before it, and how many may wait for one device.
_TURN = 15.0
_MOST_WAITING = 256
# Of a write that has come so far there is no more to wait for.
_FINAL = ("acknowledged", "expired")
_log = Logger()

_Value = TypeVar("_Value")


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
class _Order(Generic[_Value]):
    """A command as it was given, and the lines in which it has its turn."""

    who: Principal
    serial: str
    name: str
    rule: Rule[_Value]
    value: _Value
    turns: list[str] = field(factory=list)


@frozen
class Control:
    """The control side's use cases.

    Attributes:
        clock: for `wait`.
        now: ms since the epoch, for the time of a write.
        offset: seconds that local time is ahead of UTC at a moment (ms).
        owned_only: whether only devices that somebody owns take commands (`pairing.required`).
    """

    devices: Devices
    feed: Feed
    clock: IReactorTime
    now: Callable[[], int]
    offset: Callable[[int], int]
    owned_only: bool = False
    # By serial, and by the key of a home's structure.
    _turns: Turns = field(init=False)

    @_turns.default
    def _nobody(self) -> Turns:
        return Turns(self.clock, _TURN, _MOST_WAITING)

    async def command(
        self,
        who: Principal,
        serial: str,
        name: str,
        rule: Rule[_Value],
        value: _Value,
        *,
        wait: float = 0.0,
        left: Callable[[], Deferred[Any]] = Deferred,
    ) -> Done:
        """Carry out a command; it is stored when this returns, and sent when it can be.

        Args:
            who: who asks; they need to be allowed to write.
            serial: upper-case.
            name: what the log calls the command.
            rule: says what to write.
            value: what the rule takes.
            wait: seconds, how long to wait until the device has acknowledged it, or never will.
            left: gives a Deferred that fires when nobody waits any more.

        Raises:
            BadRequest, Conflict: by the rule, or too many came before it; nothing was written.
            NotKnown, Denied: no such device, or not for this one.
            StoreUnavailable: nothing was done.
        """
        order = _Order(who, serial, name, rule, value)
        if wait <= 0:
            return await self._carry_out(order)
        # Listened to before it is written: the device may be quicker than our next step.
        listener = self.feed.open(frozenset({serial}))
        left().addBoth(lambda _: listener.end())
        try:
            done = await self._carry_out(order)
            end = self.clock.seconds() + wait
            heard = True
            while heard and done.delivery not in _FINAL:
                heard = await listener.next(max(0, end - self.clock.seconds())) is not None
                # Written it is, also if the store cannot tell how far it has come.
                with suppress(StoreUnavailable):
                    # Asked once more in any case: of a bucket with more under way no notice tells of a part.
                    delivery = await self.devices.delivery(serial, done.written, self.now())
                    done = evolve(done, delivery=delivery)
            return done
        finally:
            listener.close()

    async def _carry_out(self, order: _Order[_Value]) -> Done:
        """Carry out the commands for one device in the order in which they came, each to its end."""
        try:
            await self._wait_for(order.serial, order)
            for _ in range(_TRIES):
                if (done := await self._try(order)) is not None:
                    return done
        except StoreUnavailable:
            # Those who wait would find the same, one after the other, each after a deadline of its own.
            for line in order.turns:
                self._turns.dismiss(line, Failure())
            raise
        finally:
            for line in order.turns:
                self._turns.leave(line)
        raise Conflict(f"{order.serial} kept changing while {order.name} was tried; try again.")

    async def _wait_for(self, line: str, order: _Order[_Value]) -> bool:
        """Take the turn in a line; returns whether others came before."""
        try:
            if waiting := self._turns.join(line):
                await waiting
        except (TimeoutError, OverflowError):
            raise Conflict(
                f"{order.serial} has too many earlier commands to carry out before {order.name}; try again."
            ) from None
        order.turns.append(line)
        return waiting is not None

    async def _try(self, order: _Order[_Value]) -> Done | None:
        """Read, decide and write; None if what was read had changed by then."""
        serial, rule, now = order.serial, order.rule, self.now()
        device = await self.devices.read(serial, now, rule.reads, pending=False)
        if device is None:
            raise NotKnown("Device not found")
        permit(order.who, Need.WRITE, device)
        if self.owned_only and device.owner is None:
            raise Conflict(f"{serial} belongs to nobody yet; pair it by the code on its screen first.")
        changes = rule(order.value, device, Moment(now, self.offset(now)))
        # A home is told by way of any of its devices: those commands have an order too.
        if device.structure and any(bucket_type(each.kind).of_home for each in changes):
            home = str(device.home.key)
            if home not in order.turns and await self._wait_for(home, order):
                return None
        written = await self.devices.write(serial, [_write(device, rule, each) for each in changes], now)
        if written is None:
            return None
        done = Done(changes, written, slowest([each.delivery for each in written]))
        _log.info(
            "{serial}: {name} by {who}, {delivery} as revision {revision} of {key}.",
            serial=serial,
            name=order.name,
            who=order.who.name,
            delivery=done.delivery,
            revision=done.receipt.revision,
            key=done.receipt.key,
        )
        return done


def _write(device: Device, rule: Rule[_Value], change: Change) -> Write:
    bucket = device.bucket(change.kind)
    texts = {name: encode(value) for name, value in change.values.items()}
    # What the rule found in a bucket must still be there when this is written.
    return Write(bucket.key, texts, bucket.revision if change.kind in rule.reads else None)
