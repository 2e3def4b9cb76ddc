"""Every notice of every process, in order, whether or not the bus works."""

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from nled.domain.notice import Notice
from nled.store.address import Address
from nled.store.bus import Bus
from nled.store.client import Client, StoreUnavailable
from nled.store.errors import Reason
from nled.store.events import Events
from nled.store.following import Following

_EVERY: Final = 3.0


class Notices:
    """Hears notices over the bus.

    As long as only the bus is broken, it reads the stream at an interval, and after each write of this
    process at once: what is changed here reaches the polls held here without delay.

    Args:
        heard: takes each notice, once and in order.
        missed: called when some are lost for good: the stream has gone past them.
        broken: told why nothing is heard while the store can be used, and None when that is over.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        address: Address,
        client: Client,
        now: Callable[[], int],
        *,
        heard: Callable[[Notice], None],
        missed: Callable[[], None],
        broken: Callable[[Reason | None], None],
    ) -> None:
        self._client = client
        self._events = Events(client, now)
        self._broken = broken
        self._following = Following(heard, missed)
        self._bus = Bus(reactor, address, now, self._following)
        # Whether the stream may have more than was heard, and whether it is being read.
        self._behind = self._reading = False
        self._catching_up: Deferred[None] | None = None
        self._trouble: Reason | None = None
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor

    async def start(self) -> None:
        """Listen; returns when every notice from now on will be heard.

        Raises:
            StoreUnavailable.
        """
        await self._following.begin(self._events)
        await self._bus.start()
        self._client.written = self._wrote
        self._loop.start(_EVERY, now=False).addErrback(
            lambda failure: self._log.failure("Notices are not looked after any more", failure)
        )

    async def stop(self) -> None:
        """Listen no more."""
        if self._loop.running:
            self._loop.stop()
        if self._catching_up is not None:
            self._catching_up.cancel()
        await self._bus.stop()

    def _wrote(self) -> None:
        if self._bus.trouble is not None:
            self._read_soon()

    def _look(self) -> None:
        if self._client.trouble is not None:
            return
        trouble, before, self._trouble = self._bus.trouble, self._trouble, self._bus.trouble
        # One look is not enough: both connections were lost perhaps, and this one is the later to come back.
        if trouble is None or before is not None:
            self._broken(trouble)
        if trouble is not None:
            self._read_soon()

    def _read_soon(self) -> None:
        self._behind = True
        if not self._reading:
            self._reading = True
            self._catching_up = Deferred.fromCoroutine(self._catch_up())
            self._catching_up.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        # It is read on at the next look, or by the bus.
        if not failure.check(StoreUnavailable, CancelledError):
            self._log.failure("Notices could not be read", failure)

    async def _catch_up(self) -> None:
        try:
            while self._behind:
                # Before it is read: what is written meanwhile may not be in it.
                self._behind = False
                await self._following.catch_up(self._events)
        finally:
            self._reading = False
