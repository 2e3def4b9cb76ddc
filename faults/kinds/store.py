"""A store that hangs, and one without room."""

import os
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

from faults.disk import mount, unmount
from faults.kind import CUT_SHORT, Kind, refused
from faults.service import MAXMEMORY
from faults.world import World


class StoreHung(Kind):
    """The store stands still, as on a disk that does not answer, and goes on."""

    name = "store-hung"
    line = r"store: .*(does not answer|did not answer)"
    # Headers come when the deadline of the store is over.
    complaints = (CUT_SHORT, "the headers took")

    async def inject(self, world: World) -> None:
        self._pid = world.service.store_pid
        os.kill(self._pid, signal.SIGSTOP)
        await refused(world)

    async def heal(self, world: World) -> None:
        os.kill(self._pid, signal.SIGCONT)


class MemoryFull(Kind):
    """The store has no memory left."""

    name = "memory-full"
    complaints = (CUT_SHORT,)
    line = r"memory.*full|full.*memory|memory.*used up"
    resets = True

    async def inject(self, world: World) -> None:
        world.service.set_maxmemory(1)
        await refused(world, 3 * len(world.homes))
        serial = world.homes[0].device.serial
        status, _ = await world.hosted.ask("GET", f"/api/v1/thermostat/{serial}/status")
        if status != 200:
            world.problems.append(f"reading by a key was answered {status} while nothing can be written")

    async def heal(self, world: World) -> None:
        world.service.set_maxmemory(MAXMEMORY)


class DiskFull(Kind):
    """The disk has no room left."""

    name = "disk-full"
    complaints = (CUT_SHORT,)
    world = "restarted"
    line = r"store: .*disk"
    also = (r"store: .*",)
    resets = True

    def missing(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            if not mount(Path(folder), 1 << 20):
                return "needs the right to mount a small disk"
            unmount(Path(folder))
        return ""

    async def inject(self, world: World) -> None:
        self._filler = world.state / "filler"
        with suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        await refused(world, 3 * len(world.homes))

    async def heal(self, world: World) -> None:
        self._filler.unlink()
