"""What a real server leaves of its files when they cannot grow, and what nled makes of that.

A limit on the size of files stands for a full disk: a server meets it in the same way, with a short write.
"""

import os
import resource
import signal
from pathlib import Path

from twisted.trial.unittest import SkipTest

from nled.store import child
from nled.store.binary import find
from nled.store.client import Client, StoreRefused
from nled.store.cutoff import pieces
from nled.store.gaps import Gap, Survey
from nled.store.scripts import Scripts
from nled.store.upkeep import Upkeep
from tests.store.support import until, written
from tests.store.test_buckets import LIMITS
from tests.store.test_child import ChildTestCase
from tests.store.test_repair import COUNT, KEYS, TEXT

LONG = "x" * 3000


class FullDiskTestCase(ChildTestCase):
    """A server that has written its file anew once: only then it leaves holes."""

    async def setUp(self) -> None:
        super().setUp()
        # The shell ignores the signal that comes with the limit, and so does the server.
        binary = self.home / "binary"
        binary.write_text(f"#!/bin/sh\ntrap '' XFSZ\nexec '{find()}' \"$@\"\n")
        binary.chmod(0o755)
        self.started = self.server(binary=str(binary))
        self.client = await self.connect(self.started)
        # A base that is larger than what is appended to it.
        await self.client.command("SET", "base", os.urandom(20_000).hex())
        await self.rewrite()
        self.acknowledged = 0
        self.assertEqual(len(self.files), 1)

    @property
    def files(self) -> list[Path]:
        """The files that were appended to, in order."""
        found = list(self.directory.glob("appendonlydir/*.incr.aof"))
        if not found:
            raise SkipTest("Redis 6.2 appends to its one file, and leaves no holes")
        return sorted(found, key=lambda each: int(each.name.split(".")[2]))

    async def count(self, text: str = TEXT, times: int = 3) -> None:
        for _ in range(times):
            await self.client.run(COUNT, KEYS, text)
            self.acknowledged += 1

    async def says(self, words: str) -> None:
        while words not in await self.client.command("INFO", "persistence"):
            pass

    async def rewrite(self) -> None:
        await self.client.command("BGREWRITEAOF")
        await self.says("aof_rewrite_in_progress:0\r")

    async def fill(self) -> None:
        """Acknowledge a transaction for which there is no room any more."""
        await written(self.client)
        self.limit(self.files[-1].stat().st_size + 100)
        await self.count(LONG, 1)
        await self.says("aof_last_write_status:err\r")

    async def room(self) -> None:
        self.limit(resource.RLIM_INFINITY)
        await self.says("aof_last_write_status:ok\r")

    def limit(self, size: int) -> None:
        assert self.started.pid is not None
        resource.prlimit(self.started.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    async def kill(self, then: str) -> None:
        """Let the server die; nled starts it again."""
        await written(self.client)
        before = self.started.pid
        os.kill(before, signal.SIGKILL)
        await until(lambda: self.started.pid not in (None, before) or list(self.troubles))
        await until(lambda: self.client.trouble is None or list(self.troubles))
        self.assertEqual([each.seen for each in self.troubles], [])
        self.assertEqual(await self.client.command("GET", KEYS[0]), then)
        self.assertEqual([each for path in self.files for each in gaps(path)], [])

    def said(self, words: str) -> list[str]:
        return [str(event) for event in self.events if words in str(event.get("log_format", ""))]


def survey(path: Path) -> list[Gap]:
    found = Survey()
    with path.open("rb") as file:
        for _ in found.run(file, path.stat().st_size):
            pass
    return found.gaps


def gaps(path: Path) -> list[tuple[bool, bool, bool]]:
    """For each gap of a file: whether something is cut off, there are zeros, something whole follows."""
    size = path.stat().st_size
    return [(each.zeros > each.start, each.end > each.zeros, each.end < size) for each in survey(path)]


class LeftTests(FullDiskTestCase):
    async def test_a_hole(self) -> None:
        await self.count()
        await self.fill()
        await self.room()
        await self.count()
        self.assertEqual(gaps(self.files[0]), [(False, True, True)])
        await self.kill(then=str(self.acknowledged))
        self.assertEqual(pieces(self.directory), [])
        self.assertEqual(len(self.said("zeros were taken out")), 1)

    async def test_a_file_that_the_server_cuts_too_early(self) -> None:
        await self.count()
        for _ in range(2):
            await self.fill()
            await self.room()
            await self.count()
        self.assertEqual(gaps(self.files[0]), [(False, True, True), (True, True, True)])
        # One the server itself threw away. What followed is there.
        await self.kill(then=str(self.acknowledged - 1))
        self.assertEqual(await self.client.command("HGET", KEYS[1], "n"), str(self.acknowledged))
        self.assertEqual(len(pieces(self.directory)), 1)

    async def leave_a_torn_file_amid_the_others(self) -> None:
        await self.count()
        await self.fill()
        await self.room()
        await self.count()
        await self.fill()
        # It fails as well, but from now on there is another file.
        await self.rewrite()
        await self.room()
        await self.count()
        first, second = self.files
        self.assertEqual(gaps(first), [(False, True, True), (True, False, False)])
        self.assertEqual(gaps(second), [])

    async def test_a_torn_file_amid_the_others(self) -> None:
        await self.leave_a_torn_file_amid_the_others()
        await self.kill(then=str(self.acknowledged - 1))
        [piece] = pieces(self.directory)
        self.assertIn("2.incr.aof", piece.path.name)

    async def test_another_damage_amid_the_others(self) -> None:
        await self.leave_a_torn_file_amid_the_others()
        await self.client.stop()
        await self.started.stop()
        data = self.files[0].read_bytes()
        start = survey(self.files[0])[-1].start
        transaction = data[: data.index(b"EXEC\r\n") + 6]
        for damage in (
            b"\x01garbage\r\n",
            transaction[:-20] + transaction,
            data[start + 4 :],
            bytes(9) + b"x",
        ):
            self.files[0].write_bytes(data[:start] + damage)
            before = [path.read_bytes() for path in self.files]
            await self.assert_refused("amid the data only .* Put a copy of .* in its place")
            self.assertEqual([path.read_bytes() for path in self.files], before)

    async def test_a_hole_at_the_end(self) -> None:
        """It may be as long as it likes: nothing was ever in it. Zeros that were written are another matter."""
        await self.count()
        await self.client.stop()
        await self.started.stop()
        file, size = self.files[0], self.files[0].stat().st_size
        sound = file.read_bytes()
        file.write_bytes(sound + bytes(2**20 + 1))
        await self.assert_refused("is damaged from byte")
        file.write_bytes(sound)
        os.truncate(file, size + 2**22)
        client: Client = await self.connect(self.server())
        self.assertEqual(await client.command("GET", KEYS[0]), str(self.acknowledged))
        self.assertEqual((pieces(self.directory), gaps(file)), ([], []))

    async def test_no_room_for_the_repair(self) -> None:
        await self.count()
        await self.fill()
        await self.room()
        await self.client.stop()
        await self.started.stop()
        before = self.files[0].read_bytes()

        def fails(*_) -> None:
            raise OSError("no room")

        patched = self.patch(os, "fsync", fails)
        await self.assert_refused("cannot be started: no room")
        patched.restore()
        self.assertEqual(self.files[0].read_bytes(), before)
        self.assertEqual(list(self.directory.glob("appendonlydir/mended")), [])
        client: Client = await self.connect(self.server())
        self.assertEqual(await client.command("GET", KEYS[0]), str(self.acknowledged))


class LivingServerTests(FullDiskTestCase):
    async def test_it_writes_its_file_anew_once_there_is_room(self) -> None:
        """What it threw away is still in its memory."""
        self.patch(child, "_CALM", 0.01)
        await self.count()
        for _ in range(2):
            await self.fill()
            spoilt = self.files[0]
            await self.room()
            await until(lambda spoilt=spoilt: not spoilt.exists())
        await self.count()
        await self.kill(then=str(self.acknowledged))
        self.assertEqual(self.said("zeros were taken out"), [])

    async def test_it_does_not_sync_always_meanwhile(self) -> None:
        """With that it would end, and lose what it has acknowledged but could not write."""
        own = Upkeep(Scripts(self.client, LIMITS), private=True)
        await self.fill()
        pid = self.started.pid
        with self.assertRaisesRegex(StoreRefused, "disk is full"):
            await own.sync_again("a host", "1 2 3 4")
        self.assertEqual(self.started.pid, pid)
        await self.room()
        await own.sync_again("a host", "1 2 3 4")
        self.assertEqual(await own.clocks("a host"), "1 2 3 4")
