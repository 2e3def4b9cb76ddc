"""The room on the disk of the private store: nled stops writing before the disk is full.

A server that meets a full disk has answered writes that it could not save, and loses them if it ends
then. And its file may be left so that no server starts on it (see `gaps`).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from nled.store.client import Client, StoreUnavailable
from nled.store.errors import low_disk

# A network that is fast fills megabytes in a second.
_EVERY: Final = 1.0


def free_at(folder: Path) -> int:
    """Return the bytes that are free on the disk of a folder, for who is not root."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


class Room:
    """The timer that looks at the disk.

    Below `least` bytes writes are refused until a quarter more is free. And where a new append-only file
    would not fit beside the present one, with half of `least` to spare, none is written.

    Args:
        folder: that of the private store.
        most: bytes of memory that the store may use.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        client: Client,
        folder: Path,
        *,
        least: int,
        most: int,
        free: Callable[[Path], int] = free_at,
    ) -> None:
        self._client = client
        self._folder = folder
        self._least = least
        self._most = most
        self._free = free
        self._low = self._rewrites_off = False
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock
        self._ended: Deferred[LoopingCall] | None = None

    def start(self) -> None:
        """Look now, and again every second."""
        self._ended = self._loop.start(_EVERY)

    async def stop(self) -> None:
        """Look no more; returns when a look under way has ended."""
        if self._ended is not None:
            self._loop.stop()
            await self._ended

    def _look(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._see())

    async def _see(self) -> None:
        # Whatever it is, it must not end here: LoopingCall would never look again.
        try:
            await self._judge()
        except (StoreUnavailable, OSError) as error:
            self._log.debug("Could not look at the disk: {error}", error=error)
        except Exception:  # noqa: BLE001 - see above
            self._log.failure("Could not look at the disk")

    async def _judge(self) -> None:
        free = self._free(self._folder)
        low = free < (self._least * 5 // 4 if self._low else self._least)
        if low != self._low:
            self._low = low
            self._client.close_to_writes(low_disk(free, self._least, str(self._folder)) if low else None)
        if free < self._least + self._most or self._rewrites_off:
            await self._bound_rewrites(free)

    async def _bound_rewrites(self, free: int) -> None:
        told: str = await self._client.command("INFO", "memory")
        [used] = [int(line[12:]) for line in told.splitlines() if line.startswith("used_memory:")]
        # It holds each key once: what is in memory, and no more than what the present files hold.
        # Servers before 7.0 have one file, and no folder of them.
        names = (*self._folder.glob("appendonly*"), *self._folder.glob("appendonly*/*"))
        files = sum(file.stat().st_size for file in names)
        off = free < min(used, files) + self._least // 2
        # Each time as long as it is off: a server that was started again knows nothing of it.
        if off or self._rewrites_off:
            percentage = 0 if off else 100
            await self._client.command("CONFIG", "SET", "auto-aof-rewrite-percentage", percentage)
        if off != self._rewrites_off:
            self._log.info(
                "The store {may} write its file anew: {free} MB are free for one of up to {size} MB.",
                may="does not" if off else "may again",
                free=free >> 20,
                size=min(used, files) >> 20,
            )
        self._rewrites_off = off
