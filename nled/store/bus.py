"""The connection over which this process hears of changes: it waits at the stream of notices."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from nled.store.address import Address
from nled.store.errors import Reason
from nled.store.events import Events
from nled.store.following import Following
from nled.store.redis.link import Link
from nled.store.redis.wire import Wire

_DEADLINE: Final = 5.0
# Milliseconds for which the store holds a question; its answers are the heartbeat of this connection.
_HOLD: Final = 5000


@frozen
class _Patient:
    """A connection that gives the store time to hold a question."""

    _wire: Wire
    _clock: IReactorTime

    def command(self, *args: str | bytes | int) -> Deferred[Any]:
        return self._wire.call(args, self._clock.seconds() + _HOLD / 1000 + _DEADLINE)


class Bus:
    """Waits for notices, and again after each loss of the connection, from where it was."""

    def __init__(self, reactor: Any, address: Address, now: Callable[[], int], following: Following) -> None:
        self._clock = reactor
        self._now = now
        self._following = following
        self._waiting_on: Wire | None = None
        self._link = Link(
            reactor,
            address,
            deadline=_DEADLINE,
            greet=self._catch_up,
            changed=self._changed,
            beat=None,
        )

    @property
    def trouble(self) -> Reason | None:
        """Why nothing is heard just now, None while it is."""
        return None if self._link.live else self._link.reason

    async def start(self, patience: float = 60.0) -> None:
        """Connect and wait until all that was told so far is read, and what comes will be.

        Raises:
            StoreUnavailable: It had not within `patience` seconds.
        """
        await self._link.start(patience)

    async def stop(self) -> None:
        """Close the connection; nothing is called afterwards."""
        await self._link.stop()

    async def _catch_up(self, wire: Wire) -> None:
        events = self._events(wire)
        await self._following.catch_up(events)
        # Whether it may be asked at all shows now, and not each time that the connection is used.
        await events.after("$", 1, 1)

    def _changed(self) -> None:
        wire = self._link.live
        if wire is not None and wire is not self._waiting_on:
            self._waiting_on = wire
            waiting = Deferred.fromCoroutine(self._wait(wire))
            waiting.addErrback(partial(self._link.failed, wire))

    async def _wait(self, wire: Wire) -> None:
        events = self._events(wire)
        while True:
            await self._following.wait(events, _HOLD)

    def _events(self, wire: Wire) -> Events:
        return Events(_Patient(wire, self._clock), self._now)
