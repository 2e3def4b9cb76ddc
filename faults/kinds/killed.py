"""Processes that are killed, and what a power cut leaves of a file."""

import random
from pathlib import Path

from faults.kind import CUT_SHORT, Kind
from faults.world import Failed, World

READY = r"nled \S+ is ready"


class DaemonKilled(Kind):
    """kill -9 of the daemon; its supervisor starts it again."""

    name = "daemon-killed"
    world = "restarted"
    # It cannot say anything itself; that it is ready again is said once.
    line = READY
    # It had no time to send the end.
    complaints = ("closed in place of the final chunk",)
    ends = True

    async def inject(self, world: World) -> None:
        world.service.process.kill()
        await world.until(lambda: world.service.process.poll() is not None, "the daemon has ended")

    async def heal(self, world: World) -> None:
        await world.until(lambda: world.service.ready, "nled is ready again")


class StoreKilled(Kind):
    """kill -9 of the store; nled starts it again."""

    name = "store-killed"
    complaints = (CUT_SHORT,)
    line = r"The private store ended \(SIGKILL\).*starting it again"
    also = (r"store: .*",)
    resets = True

    async def inject(self, world: World) -> None:
        world.service.kill_store()


class DamagedFile(Kind):
    """The power goes while the store writes: bytes without a meaning end the append-only file."""

    name = "damaged-file"
    world = "restarted"
    line = r"append-only file.*bytes"
    stands = True
    complaints = DaemonKilled.complaints
    ends = True
    _turn = 0

    async def inject(self, world: World) -> None:
        service = world.service
        service.hold = True
        store = Path(f"/proc/{service.store_pid}")
        service.process.kill()
        await world.until(lambda: service.process.poll() is not None, "the daemon has ended")
        await world.until(lambda: not store.exists(), "the store has ended with it")
        files = (world.state / "store" / "appendonlydir").glob("*.incr.aof")
        newest = max(files, key=lambda file: file.stat().st_mtime, default=None)
        if newest is None:
            raise Failed("there is no append-only file to damage")
        DamagedFile._turn += 1
        garbage = random.Random(self._turn).randbytes(100) if self._turn % 2 else bytes(4096)
        with newest.open("ab") as file:
            file.write(garbage)

    async def heal(self, world: World) -> None:
        world.service.hold = False
        await world.until(lambda: world.service.ready, "nled is ready again", 20)
