"""Finding the master through Sentinel, and finding the new one."""

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from nled.store import keys
from nled.store.address import parse
from nled.store.bus import Bus
from nled.store.client import Client, StoreUnavailable
from nled.store.following import Following
from tests.store.support import FakeServer, Server, free_port, until


async def tell(client: Client, revision: int) -> None:
    """Write a notice."""
    head = f"02AA01AC33140F61 shared.X {revision} 0 server"
    await client.command("XADD", keys.EVENTS, "*", "n", head, "f", "[]")


class SentinelTests(TestCase):
    def serve(self, *directives: str, sentinel: bool = False) -> tuple[Server, int]:
        port = free_port()
        server = Server(f"port {port}", "bind 127.0.0.1", *directives, sentinel=sentinel)
        self.addCleanup(server.stop)
        return server, port

    async def test_failover(self) -> None:
        accounts = ("requirepass pw", "masterauth pw", "repl-diskless-sync-delay 0")
        master, master_port = self.serve(*accounts)
        replica, _ = self.serve(*accounts, f"replicaof 127.0.0.1 {master_port}")
        there = Client(reactor, parse(f"unix://:pw@{replica.socket}"))
        self.addCleanup(there.stop)
        await there.start(5)
        while (await there.command("ROLE"))[3] != "connected":
            pass
        sentinel, sentinel_port = self.serve(
            f"sentinel monitor home 127.0.0.1 {master_port} 1",
            "sentinel auth-pass home pw",
            "sentinel down-after-milliseconds home 500",
            "sentinel failover-timeout home 3000",
            sentinel=True,
        )
        await until(lambda: b"slaves=1" in sentinel.ask("INFO", "sentinel"))
        # The first one is dead: the second has to be asked.
        address = parse(f"redis+sentinel://:pw@127.0.0.1:{free_port()},127.0.0.1:{sentinel_port}/home")
        client = Client(reactor, address, deadline=1)
        self.addCleanup(client.stop)
        await client.start(5)
        gaps, heard = [], []
        following = Following(lambda notice: heard.append(notice.revision), lambda: gaps.append(1))
        bus = Bus(reactor, address, lambda: 0, following)
        self.addCleanup(bus.stop)
        await bus.start(5)
        await tell(client, 1)
        await until(lambda: heard == [1])
        await client.command("SET", "k", "v")
        await client.command("WAIT", 1, 1000)
        master.kill()
        for _ in range(20):
            try:
                value = await client.command("GET", "k")
                break
            except StoreUnavailable:
                continue
        self.assertEqual(value, "v")
        self.assertEqual((await there.command("ROLE"))[0], "master")
        self.assertEqual(await client.command("SET", "k", "w"), "OK")
        self.assertEqual(await there.command("GET", "k"), "w")
        await tell(client, 2)
        # All of the stream had come to the replica, so nothing was missed.
        await until(lambda: heard == [1, 2])
        self.assertEqual(gaps, [])

    async def test_a_master_that_is_none_any_more(self) -> None:
        roles = iter([b"*1\r\n$5\r\nslave\r\n", b"*1\r\n$6\r\nmaster\r\n"])

        def answer(command: list[str]) -> bytes:
            return next(roles) if command == ["ROLE"] else b"+PONG\r\n"

        server = FakeServer(answer)
        self.addCleanup(server.stop)
        named = f"*2\r\n$9\r\n127.0.0.1\r\n${len(str(server.port))}\r\n{server.port}\r\n".encode()
        asked = []

        def sentinel_answer(command: list[str]) -> bytes:
            asked.append(command)
            return b"+OK\r\n" if command[0] == "AUTH" else named

        sentinel = FakeServer(sentinel_answer)
        self.addCleanup(sentinel.stop)
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/home?sentinel_password=pw"
        client = Client(reactor, parse(url))
        self.addCleanup(client.stop)
        await client.start(5)
        self.assertIsNone(next(roles, None))
        self.assertEqual(asked, [["AUTH", "pw"], ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "home"]] * 2)

    async def test_an_unknown_service(self) -> None:
        _, port = self.serve(sentinel=True)
        client = Client(reactor, parse(f"redis+sentinel://127.0.0.1:{port}/nobody"))
        with self.assertRaisesRegex(StoreUnavailable, "no Sentinel names a master for nobody"):
            await client.start(0.7)

    async def test_stop_while_a_sentinel_is_asked(self) -> None:
        sentinel = FakeServer(lambda _: None)
        self.addCleanup(sentinel.stop)
        client = Client(reactor, parse(f"redis+sentinel://127.0.0.1:{sentinel.port}/home"))
        starting = Deferred.fromCoroutine(client.start(5))
        await until(lambda: sentinel.conversations)
        await client.stop()
        await self.assertFailure(starting, StoreUnavailable)
