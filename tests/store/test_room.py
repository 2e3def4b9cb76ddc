"""The disk of the private store as it fills up, on a real server."""

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from nled.store.client import Client, Script, StoreRefused
from nled.store.errors import Reason
from nled.store.room import Room
from tests.store.support import OwnServerTestCase, until

MIB = 2**20
WRITE = Script("write", "return redis.call('SET', 'k', 'v')")
READ = Script("read", "return redis.call('GET', 'k')", writes=False)


class RoomTests(OwnServerTestCase):
    async def setUp(self) -> None:
        self.server = self.serve(appendonly=True)
        self.told: list[str | None] = []

        def changed(reason: Reason | None) -> None:
            self.told.append(reason and reason.seen)

        self.client = Client(reactor, self.server.address, changed=changed)
        self.addCleanup(self.client.stop)
        await self.client.start(5)
        self.told.clear()
        self.clock, self.free = Clock(), 100 * MIB
        self.room = Room(
            self.clock,
            self.client,
            self.server.directory,
            least=32 * MIB,
            most=64 * MIB,
            free=lambda _: self.free,
        )
        self.room.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.room.stop()))

    async def at(self, free: int) -> None:
        """Let so much be free at the next look."""
        self.free = free
        self.clock.advance(1)
        # A question behind those of the look: they were answered, too.
        await self.client.command("PING")

    async def percentage(self) -> str:
        return (await self.client.command("CONFIG", "GET", "auto-aof-rewrite-percentage"))[1]

    async def test_writes_stop_and_go_on(self) -> None:
        await self.client.run(WRITE, [])
        await self.at(32 * MIB)
        await self.client.run(WRITE, [])
        for free in (31, 20, 39):
            await self.at(free * MIB)
            with self.assertRaisesRegex(StoreRefused, "The server's disk is full. Nothing was changed."):
                await self.client.run(WRITE, [])
            self.assertEqual(await self.client.run(READ, []), "v")
        [line] = self.told
        self.assertIn("Only 31 MB are free", line)
        await self.at(40 * MIB)
        await self.client.run(WRITE, [])
        self.assertEqual(self.told[1:], [None])

    async def test_no_new_file_is_written_where_it_would_not_fit(self) -> None:
        self.assertEqual(await self.percentage(), "100")
        await self.client.command("SET", "k", "x" * 10 * MIB)
        await self.at(60 * MIB)
        self.assertEqual(await self.percentage(), "100")
        await self.at(20 * MIB)
        self.assertEqual(await self.percentage(), "0")
        # One that was started again has forgotten it.
        await self.client.command("CONFIG", "SET", "auto-aof-rewrite-percentage", 100)
        await self.at(20 * MIB)
        self.assertEqual(await self.percentage(), "0")
        await self.at(200 * MIB)
        self.assertEqual(await self.percentage(), "100")

    async def test_a_store_that_is_away(self) -> None:
        self.server.kill()
        await until(lambda: self.client.trouble)
        self.free = 10 * MIB
        self.clock.advance(1)
        self.server.start()
        await until(lambda: not self.client.trouble)
        await self.client.command("PING")
        await self.at(10 * MIB)
        with self.assertRaises(StoreRefused):
            await self.client.run(WRITE, [])
