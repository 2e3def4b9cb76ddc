"""Notices while only the connection that hears them is broken, on a real server."""

from twisted.internet import reactor

from nled.domain.notice import Notice
from nled.store import errors, keys, notices
from nled.store.address import parse
from nled.store.client import Client, Script
from nled.store.notices import Notices
from tests.store.support import Between, OwnServerTestCase, until

TELL = Script(
    "tell",
    keys.LUA
    + """for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
      local head = string.format('02AA01AC33140F61 shared.X %d 0 server', number)
      redis.call('XADD', EVENTS, '*', 'n', head, 'f', '[]')
    end""",
)
NEVER = 3600.0


class NoticesTests(OwnServerTestCase):
    async def setUp(self) -> None:
        self.heard: list[int] = []
        self.gaps = 0
        self.broken: list[str | None] = [None]
        self.server = self.serve()
        self.between = Between(self.server)
        self.addCleanup(self.between.stop)

    async def listen(self, every: float = NEVER) -> None:
        self.patch(notices, "_EVERY", every)
        address = parse(self.between.url)
        self.client = Client(reactor, address)
        self.addCleanup(self.client.stop)
        await self.client.start(5)
        self.other = await self.connect(self.server.url)

        def heard(notice: Notice) -> None:
            self.heard.append(notice.revision)

        def missed() -> None:
            self.gaps += 1

        def broken(reason: errors.Reason | None) -> None:
            word = reason and reason.word
            if self.broken[-1:] != [word]:
                self.broken.append(word)

        self.notices = Notices(
            reactor, address, self.client, lambda: 0, heard=heard, missed=missed, broken=broken
        )
        self.addCleanup(self.notices.stop)
        await self.notices.start()

    async def tell(self, first: int, last: int, *, by: Client | None = None) -> None:
        await (by or self.other).run(TELL, [], first, last)

    async def hear(self, *revisions: int) -> None:
        """Wait until these were heard, each once and in order."""
        await until(lambda: len(self.heard) >= len(revisions))
        self.assertEqual(self.heard, list(revisions))
        self.heard.clear()

    async def deafen(self) -> None:
        self.between.deafen()
        await until(lambda: self.notices._bus.trouble)

    async def test_what_this_process_writes_is_heard_at_once(self) -> None:
        await self.listen()
        await self.tell(1, 1, by=self.client)
        await self.hear(1)
        await self.deafen()
        for number in (2, 3, 4):
            await self.tell(number, number, by=self.client)
            await self.hear(number)
        self.assertEqual(self.gaps, 0)

    async def test_what_others_write_is_asked_for(self) -> None:
        await self.listen(0.02)
        await self.tell(1, 1)
        await self.hear(1)
        await self.deafen()
        # More than is read at a time, and all of it in order.
        await self.tell(2, 500)
        await until(lambda: self.heard[-1:] == [500])
        self.assertEqual(self.heard, list(range(2, 501)))
        self.heard.clear()
        self.between.mend()
        await until(lambda: not self.notices._bus.trouble)
        await self.tell(501, 501)
        await self.hear(501)
        await until(lambda: self.broken[-1:] == [None])
        self.assertEqual(self.broken, [None, "away", None])
        self.assertEqual(self.gaps, 0)

    async def test_what_was_missed_is_read_and_not_guessed(self) -> None:
        await self.listen()
        await self.tell(1, 1)
        await self.hear(1)
        await self.deafen()
        await self.tell(2, 3)
        self.between.mend()
        await self.hear(2, 3)
        self.assertEqual(self.gaps, 0)

    async def test_what_is_no_longer_kept_is_a_gap(self) -> None:
        await self.listen()
        await self.tell(1, 1)
        await self.hear(1)
        await self.deafen()
        await self.tell(2, 9)
        await self.other.command("XTRIM", keys.EVENTS, "MAXLEN", 2)
        self.between.mend()
        await until(lambda: self.gaps)
        await self.tell(10, 10)
        await until(lambda: self.heard)
        self.assertEqual((self.heard, self.gaps), ([10], 1))

    async def test_a_store_that_dies(self) -> None:
        await self.listen(0.02)
        await self.tell(1, 1)
        await self.hear(1)
        self.server.kill()
        await until(lambda: self.client.trouble)
        self.server.start()
        # It kept nothing, so what was told is not known.
        await until(lambda: self.gaps)
        await until(lambda: not self.notices._bus.trouble)
        await self.tell(2, 2)
        await self.hear(2)
