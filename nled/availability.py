"""Looks, now and then, for devices that have fallen silent, so that they are told of as offline."""

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from nled.store.client import StoreUnavailable

EVERY = 10.0


class Sweep:
    """The timer. Each process has one; the store sees to it that a device is told of once.

    Args:
        tell_silent: tells of some of the devices that are silent at a moment, in ms; returns whether
            there may be more.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, tell_silent: Callable[[int], Awaitable[bool]]) -> None:
        self._clock = clock
        self._tell_silent = tell_silent
        self._loop = LoopingCall(self._sweep)
        self._loop.clock = clock
        self._ended: Deferred[LoopingCall] | None = None

    def start(self) -> None:
        """Look now, and again every 10 s."""
        self._ended = self._loop.start(EVERY)

    async def stop(self) -> None:
        """Look no more; returns when a look under way has ended."""
        if self._ended is not None:
            self._loop.stop()
            await self._ended

    def _sweep(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        # Whatever it is, it must not end here: LoopingCall would never look again (TRAPS.md T-C3).
        try:
            while await self._tell_silent(int(self._clock.seconds() * 1000)):
                pass
        except StoreUnavailable:
            self._log.debug("Could not look for silent devices: the store is away.")
        except Exception:  # noqa: BLE001 - see above
            self._log.failure("Could not look for silent devices")
