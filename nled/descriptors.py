"""The last file descriptors are kept back: for the store, for files, and for the administrator's socket."""

import os
import resource
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from nled.troubles import Troubles

_EVERY = 1.0
_KEPT = 32
# Seconds without a shortage until it counts as over: those who waited may be too many again.
_CALM = 10.0
_NAME = "descriptors"
_FIX = (
    "Raise LimitNOFILE of the unit (or ulimit -n), or lower limits.connections, and see who has so many "
    "connections (ss -tn)."
)


class Descriptors:
    """While too few are left, the ports rest: connections wait in the kernel, and those that are open go on.

    The few that are accepted in the same turn as the one that was too many are closed.

    Without it, accepting would fail in an endless loop, and a store that has died could not be started.
    """

    def __init__(self, clock: IReactorTime, troubles: Troubles) -> None:
        self._troubles = troubles
        self._ports: list[Any] = []
        self._clock = clock
        self._short = False
        self._short_at = 0.0
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def start(self, *ports: Any) -> None:
        """Look after these ports, at each connection and every second."""
        self._ports = list(ports)
        self._loop.start(_EVERY, now=False)

    async def stop(self) -> None:
        """Look no more."""
        if self._loop.running:
            self._loop.stop()

    def enough(self) -> bool:
        """Tell whether enough are left; if not, the ports rest until that was looked at again."""
        if not self._short:
            self._look()
        return not self._short

    def _look(self) -> None:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        kept = min(_KEPT, limit // 4)
        # Twice as many must be free again, or they would go on and rest with each connection that ends.
        short = _in_use(limit) >= limit - 2 * kept if self._short else _lowest_free(limit) >= limit - kept
        if short != self._short:
            self._short = short
            for port in self._ports:
                (port.stopReading if short else port.startReading)()
        if short:
            self._short_at = self._clock.seconds()
            self._troubles.report(
                _NAME,
                f"Nearly all of the {limit} files that nled may open are open: new connections have to wait.",
                _FIX,
            )
        elif self._clock.seconds() - self._short_at >= _CALM:
            self._troubles.clear(_NAME)


def _lowest_free(limit: int) -> int:
    """The number that the next file would get; the limit if there is none, here or in the whole system.

    Quick, but no count: what has ended may have left low numbers free.
    """
    try:
        descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return limit
    os.close(descriptor)
    return descriptor


def _in_use(limit: int) -> int:
    """How many files are open."""
    try:
        # Besides the one that looks.
        return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - names, and nothing made of them
    except OSError:
        return _lowest_free(limit)
