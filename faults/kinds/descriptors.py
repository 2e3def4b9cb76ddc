"""A daemon that has no file descriptors left."""

import resource
import socket
from contextlib import suppress

from faults.kind import CUT_SHORT, Kind, refused
from faults.world import World


class FailedSpawn(Kind):
    """The store is killed while the daemon has no descriptor to start it with."""

    name = "failed-spawn"
    line = r"The private store cannot be started"
    also = (r"store: .*", r"The private store ended", r"descriptors: Nearly all")
    # Who comes anew waits in the kernel, who has come for the store.
    complaints = (CUT_SHORT, "no end of the answer", "the headers took")

    async def inject(self, world: World) -> None:
        self._pid = world.service.process.pid
        self._limits = resource.prlimit(self._pid, resource.RLIMIT_NOFILE)
        # Whatever it wants to open, it may not; what it has open stays.
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, (3, self._limits[1]))
        place = world.service.log_size
        world.service.kill_store()
        await refused(world)
        await world.until(lambda: world.service.said(self.line, place), "nled tries to start the store")

    async def heal(self, world: World) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, self._limits)


class Descriptors(Kind):
    """More connections come than the daemon has descriptors for."""

    name = "descriptors"
    line = r"descriptors: Nearly all"
    # Who comes anew waits in the kernel.
    complaints = ("no end of the answer", "the headers took")

    async def inject(self, world: World) -> None:
        self._pid = world.service.process.pid
        self._limits = resource.prlimit(self._pid, resource.RLIMIT_NOFILE)
        # Those that nled keeps back for itself, and a few.
        limit = world.service.descriptors + 40
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, (limit, self._limits[1]))
        self._crowd: list[socket.socket] = []
        for _ in range(50):
            with suppress(OSError):
                self._crowd.append(socket.create_connection(("127.0.0.1", world.service.device), 5))
        # Those who are in go on, all others are turned away.
        await world.traffic()
        await world.pause(1)

    async def heal(self, world: World) -> None:
        for sock in self._crowd:
            sock.close()
        resource.prlimit(self._pid, resource.RLIMIT_NOFILE, self._limits)
