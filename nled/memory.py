"""Free memory goes back to the system.

glibc keeps what was freed below anything that is still in use: after 64 MiB of bodies most of it, for good.
"""

import ctypes
from collections.abc import Callable

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

# Seconds until it is given back: what was freed last may be needed again at once, and it takes some ms.
_PAUSE = 1.0


def trim() -> None:
    """Give back what is free; does nothing where the C library is another one."""
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(0)


@define
class Relief:
    """Gives memory back after large things have gone: call it each time, it does so once a second at most."""

    _clock: IReactorTime
    _trim: Callable[[], None] = trim
    _due: bool = field(default=False, init=False)

    def __call__(self) -> None:
        """Give back what is free, soon."""
        if not self._due:
            self._due = True
            self._clock.callLater(_PAUSE, self._give_back)

    def _give_back(self) -> None:
        self._due = False
        self._trim()
