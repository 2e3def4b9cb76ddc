from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from nled.store import bus as bus_module
from nled.store import link
from nled.store.address import parse
from nled.store.bus import Bus
from nled.store.client import StoreUnavailable
from tests.store.support import Server, until


class BusTests(TestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.heard: list[str] = []
        self.gaps = 0

    async def listen(self, url: str | None = None) -> Bus:
        def on_gap() -> None:
            self.gaps += 1

        address = parse(url or self.server.url)
        bus = Bus(reactor, address, "news", on_message=self.on_message, on_gap=on_gap)
        self.addCleanup(bus.stop)
        await bus.start(5)
        return bus

    def on_message(self, message: str) -> None:
        self.heard.append(message)

    def publish(self, message: str) -> None:
        self.assertEqual(self.server.ask("PUBLISH", "news", message), b":1\r\n")

    async def test_subscribed_when_started(self) -> None:
        await self.listen()
        for message in ("007", "a:1", "last"):
            self.publish(message)
        await until(lambda: len(self.heard) == 3)
        self.assertEqual(self.heard, ["007", "a:1", "last"])
        self.assertEqual(self.gaps, 0)

    async def test_a_gap_after_the_server_died(self) -> None:
        await self.listen()
        self.server.kill()
        self.server.start()
        await until(lambda: self.gaps)
        self.publish("after")
        await until(lambda: self.heard)
        self.assertEqual((self.heard, self.gaps), (["after"], 1))

    async def test_a_gap_after_the_server_hung(self) -> None:
        self.patch(link, "_HEARTBEAT", 0.05)
        self.patch(bus_module, "_DEADLINE", 0.2)
        bus = await self.listen()
        self.server.pause()
        await until(lambda: bus.trouble)
        self.server.go_on()
        await until(lambda: self.gaps)
        self.publish("after")
        await until(lambda: self.heard)

    async def test_a_hook_that_raises(self) -> None:
        def raising(message: str) -> None:
            self.heard.append(message)
            raise RuntimeError(message)

        self.on_message = raising
        await self.listen()
        self.publish("first")
        self.publish("second")
        await until(lambda: len(self.heard) == 2)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)
        self.assertEqual(self.gaps, 0)

    async def test_what_is_no_text_is_left_out(self) -> None:
        await self.listen()
        self.publish('"\\xff"')
        self.publish("text")
        await until(lambda: self.heard)
        self.assertEqual(self.heard, ["text"])

    async def test_with_an_acl_user(self) -> None:
        self.server.ask(
            "ACL", "SETUSER", "nled", "on", ">pw", "resetchannels", "&news", "+subscribe", "+ping"
        )
        await self.listen(f"unix://nled:pw@{self.server.socket}")
        self.publish("text")
        await until(lambda: self.heard)

    async def test_a_user_who_may_not_listen(self) -> None:
        self.server.ask("ACL", "SETUSER", "nled", "on", ">pw", "resetchannels", "+subscribe", "+ping")
        bus = Bus(
            reactor,
            parse(f"unix://nled:pw@{self.server.socket}"),
            "news",
            on_message=self.heard.append,
            on_gap=self.fail,
        )
        with self.assertRaisesRegex(StoreUnavailable, "lacks a right"):
            await bus.start(0.3)

    async def test_nothing_is_called_after_stop(self) -> None:
        bus = await self.listen()
        await bus.stop()
        self.assertEqual(self.server.ask("PUBLISH", "news", "x"), b":0\r\n")
