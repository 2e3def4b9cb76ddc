"""The connection that waits at the stream of notices, on a real server."""

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from nled.domain.notice import Notice
from nled.store import bus as bus_module
from nled.store import keys
from nled.store.address import parse
from nled.store.bus import Bus
from nled.store.client import StoreUnavailable
from nled.store.following import BATCH, Following
from tests.store.support import Between, Server, until


class BusTests(TestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.heard: list[int] = []
        self.gaps = 0
        self.following = Following(self.hear, self.miss)

    def hear(self, notice: Notice) -> None:
        self.heard.append(notice.revision)

    def miss(self) -> None:
        self.gaps += 1

    def bus(self, url: str | None = None) -> Bus:
        bus = Bus(reactor, parse(url or self.server.url), lambda: 0, self.following)
        self.addCleanup(bus.stop)
        return bus

    async def listen(self, url: str | None = None) -> Bus:
        bus = self.bus(url)
        await bus.start(5)
        return bus

    def tell(self, *numbers: int) -> None:
        for number in numbers:
            self.add("n", f'"02AA01AC33140F61 shared.X {number} 0 server"', "f", "[]")

    def add(self, *fields: str) -> None:
        self.server.ask("XADD", keys.EVENTS, "*", *fields)

    def tell_at_once(self, count: int, kept: int) -> None:
        """Tell so many in one step, in which the stream keeps only the last ones."""
        line = "'X shared.X ' .. number .. ' 0 server'"
        add = f"redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[2], '*', 'n', {line}, 'f', '[]')"
        script = f'"for number = 1, tonumber(ARGV[1]) do {add} end"'
        self.server.ask("EVAL", script, "1", keys.EVENTS, str(count), str(kept))

    async def hears(self, *numbers: int) -> None:
        await until(lambda: len(self.heard) >= len(numbers))
        self.assertEqual(self.heard, list(numbers))

    async def test_it_hears_in_order_from_its_start_on(self) -> None:
        await self.listen()
        self.tell(7, 1, 2)
        await self.hears(7, 1, 2)
        self.assertEqual(self.gaps, 0)

    async def test_it_goes_on_where_it_was(self) -> None:
        between = Between(self.server)
        self.addCleanup(between.stop)
        bus = await self.listen(between.url)
        self.tell(1)
        await self.hears(1)
        between.deafen()
        await until(lambda: bus.trouble)
        self.tell(2, 3)
        between.mend()
        await self.hears(1, 2, 3)
        self.tell(4)
        await self.hears(1, 2, 3, 4)
        self.assertEqual(self.gaps, 0)

    async def test_a_gap_where_the_store_has_lost_the_notices(self) -> None:
        await self.listen()
        self.tell(1)
        await self.hears(1)
        self.server.kill()
        self.server.start()
        await until(lambda: self.gaps)
        self.tell(2)
        await self.hears(1, 2)
        self.assertEqual(self.gaps, 1)

    async def test_none_where_there_was_nothing_to_lose(self) -> None:
        bus = await self.listen()
        self.server.kill()
        await until(lambda: bus.trouble)
        self.server.start()
        await until(lambda: not bus.trouble)
        self.tell(1)
        await self.hears(1)
        self.assertEqual(self.gaps, 0)

    async def test_a_quiet_stream_shows_that_the_store_lives(self) -> None:
        self.patch(bus_module, "_HOLD", 20)
        self.patch(bus_module, "_DEADLINE", 5)
        bus = await self.listen()
        live = bus._link.live
        await until(lambda: b"cmdstat_xread:calls=5" in self.server.ask("INFO", "commandstats"))
        self.assertIs(bus._link.live, live)
        self.tell(1)
        await self.hears(1)

    async def test_a_server_that_hangs(self) -> None:
        self.patch(bus_module, "_HOLD", 50)
        self.patch(bus_module, "_DEADLINE", 0.2)
        bus = await self.listen()
        self.tell(1)
        await self.hears(1)
        self.server.pause()
        await until(lambda: bus.trouble and bus.trouble.word == "hung")
        self.server.go_on()
        await until(lambda: not bus.trouble)
        self.tell(2)
        await self.hears(1, 2)
        self.assertEqual(self.gaps, 0)

    async def test_a_master_that_becomes_a_replica(self) -> None:
        """It lets go of all who wait; behind Sentinel the new master is looked for then."""
        bus = await self.listen()
        self.tell(1)
        await self.hears(1)
        live = bus._link.live
        self.server.ask("REPLICAOF", "127.0.0.1", "1")
        await until(lambda: bus._link.live not in {live, None})
        self.server.ask("REPLICAOF", "NO", "ONE")
        self.tell(2)
        await self.hears(1, 2)
        self.assertEqual(self.gaps, 0)

    async def test_a_hook_that_raises(self) -> None:
        def raising(notice: Notice) -> None:
            self.heard.append(notice.revision)
            raise RuntimeError(notice.id)

        self.following.heard = raising
        await self.listen()
        self.tell(1, 2)
        await self.hears(1, 2)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    async def test_what_is_not_a_notice_may_mean_anything(self) -> None:
        await self.listen()
        self.add("x", '"\\xff"')
        self.tell(1)
        await self.hears(1)
        self.assertEqual(self.gaps, 1)

    async def test_more_than_is_read_at_a_time(self) -> None:
        bus = await self.listen()
        self.tell(0)
        await self.hears(0)
        numbers = range(1, 3 * BATCH)
        self.tell_at_once(numbers[-1], 1000)
        await until(lambda: len(self.heard) > numbers[-1])
        self.assertEqual(self.heard, [0, *numbers])
        self.assertEqual((self.gaps, bus.trouble), (0, None))

    async def test_a_stream_that_has_gone_past_it_in_one_step(self) -> None:
        """The next answer begins behind what was trimmed, which only its length tells."""
        await self.listen()
        self.tell(0)
        await self.hears(0)
        self.tell_at_once(1000, 500)
        await until(lambda: self.gaps)
        self.tell(2000)
        await self.hears(0, 2000)
        self.assertEqual(self.gaps, 1)

    async def test_with_an_acl_user(self) -> None:
        rights = ("+xread", "+xrange", "+xrevrange", "+ping", f"~{keys.EVENTS}")
        self.server.ask("ACL", "SETUSER", "nled", "on", ">pw", "resetchannels", *rights)
        await self.listen(f"unix://nled:pw@{self.server.socket}")
        self.tell(1)
        await self.hears(1)

    async def test_a_user_who_may_not_wait(self) -> None:
        rights = ("+xrange", "+xrevrange", "+ping", f"~{keys.EVENTS}")
        self.server.ask("ACL", "SETUSER", "nled", "on", ">pw", *rights)
        with self.assertRaisesRegex(StoreUnavailable, "lacks a right"):
            await self.bus(f"unix://nled:pw@{self.server.socket}").start(0.3)

    async def test_a_user_who_may_not_any_more(self) -> None:
        rights = ("+xread", "+xrange", "+xrevrange", "+ping", f"~{keys.EVENTS}")
        self.server.ask("ACL", "SETUSER", "nled", "on", ">pw", *rights)
        bus = await self.listen(f"unix://nled:pw@{self.server.socket}")
        self.tell(1)
        await self.hears(1)
        self.server.ask("ACL", "SETUSER", "nled", "-xread")
        self.tell(2)
        await until(lambda: bus.trouble)
        await until(lambda: "lacks a right" in str(bus.trouble))
        self.server.ask("ACL", "SETUSER", "nled", "+xread")
        await until(lambda: not bus.trouble)
        await self.hears(1, 2)

    async def test_nothing_is_called_after_stop(self) -> None:
        bus = await self.listen()
        await bus.stop()
        self.tell(1)
        await until(lambda: b"blocked_clients:0" in self.server.ask("INFO", "clients"))
        self.assertEqual((self.heard, self.gaps), ([], 0))
