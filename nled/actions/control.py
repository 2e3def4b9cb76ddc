"""What people and programs do to a thermostat; every API comes in here."""

from collections.abc import Callable, Mapping

from attrs import frozen
from twisted.logger import Logger

from nled.domain import commands
from nled.domain.buckets import ObjectKey, encode
from nled.domain.errors import BadRequest
from nled.domain.wire import Receipt
from nled.store.buckets import Buckets

# Somebody else writing the same bucket between our read and our write is rare; five times is a fault.
_TRIES = 5
_log = Logger()


@frozen
class Done:
    """What a command wrote: the fields, and where their bucket stands."""

    values: Mapping[str, object]
    receipt: Receipt


@frozen
class Control:
    """The control side's use cases.

    Attributes:
        now: ms since the epoch.
        offset: seconds local time is ahead of UTC.
    """

    buckets: Buckets
    now: Callable[[], int]
    offset: Callable[[], int]

    async def command(self, serial: str, command: str, value: object) -> Done:
        """Carry out a command for a device; it is stored when this returns, and sent when it can be.

        Raises:
            BadRequest: no such command, or a value it cannot take.
            NotKnown: no such device.
            StoreUnavailable: nothing was done.
        """
        if command != "set_temperature":
            raise BadRequest(f"Unknown command: {command}")
        key = ObjectKey("shared", serial)
        for _ in range(_TRIES):
            now = self.now()
            # One end of a range depends on the other, which must still be what it was when this is written.
            shared = await self.buckets.read(serial, key) if isinstance(value, dict) else None
            change = commands.set_temperature(
                value, dict(shared.values) if shared else {}, now, self.offset()
            )
            texts = {name: encode(field) for name, field in change.values.items()}
            written = await self.buckets.write(serial, key, texts, now, shared.revision if shared else None)
            if written.outcome != "conflict":
                _log.info(
                    "{serial}: {command} {outcome} as revision {revision}.",
                    serial=serial,
                    command=command,
                    outcome=written.outcome,
                    revision=written.receipt.revision,
                )
                return Done(change.values, written.receipt)
        raise RuntimeError(f"{key} kept changing under {_TRIES} tries of {command}")
