"""Pushes on a held answer, byte by byte: on a clock of the test's own, a real store, and transports in memory."""

import json
import re
from typing import Any

from attrs import define, field
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from nled.actions.pairing import Arrivals, Desk
from nled.actions.transport import Transport
from nled.hub import Hub
from nled.store.buckets import Buckets
from nled.store.client import StoreUnavailable
from nled.store.devices import Devices, Write
from nled.store.pairing import Pairing
from nled.store.scripts import Scripts
from nled.web.clients import Clients
from nled.web.paths import device_path
from nled.web.router import Root
from nled.web.site import BoundedSite
from nled.web.transport import Timing, TransportRoutes
from tests.store.support import StoreTestCase, until
from tests.store.test_buckets import LIMITS, SERIAL, SHARED, texts

HOLD = 290
FINAL = b"0\r\n\r\n"
USER, HOME = "user.user_ann", "structure.ann"


@define
class Answer:
    """A held answer, as far as it has come."""

    transport: StringTransport
    channel: Any
    read: int = 0

    def more(self) -> bytes:
        """What came since it was last asked for, without the head."""
        data: bytes = self.transport.value()[self.read :]
        self.read += len(data)
        return data.partition(b"\r\n\r\n")[2] if data.startswith(b"HTTP/") else data

    def abort(self) -> None:
        """The connection breaks."""
        self.channel.connectionLost(Failure(ConnectionLost()))


@define
class Torn(Buckets):
    """Buckets of which a reply may keep somebody waiting, and notes may fail."""

    _scripts: Scripts
    gate: Deferred[None] | None = None
    away: bool = False
    notes: list[list[str]] = field(factory=list)

    async def subscribe(self, *args: Any) -> Any:
        return await self._late(await super().subscribe(*args))

    async def reread(self, *args: Any) -> Any:
        return await self._late(await super().reread(*args))

    async def _late(self, found: Any) -> Any:
        gate, self.gate = self.gate, None
        if gate is not None:
            await gate
        return found

    async def pushed(self, serial: str, updates: Any, *times: int) -> None:
        if self.away:
            raise StoreUnavailable("The store is away.")
        self.notes.append([each.receipt.key for each in updates])
        await super().pushed(serial, updates, *times)


class PushTestCase(StoreTestCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.clock = Clock()
        seconds, _ = await self.client.command("TIME")
        self.clock.advance(int(seconds))
        scripts = Scripts(self.client, LIMITS)
        self.buckets, self.devices = Torn(scripts), Devices(scripts)
        self.pairing = Pairing(scripts, 3_600_000)
        self.hub = Hub(self.clock, HOLD, 10)
        desk = Desk(self.pairing, lambda _: 0, self.now, required=False, pinned=False, claims_per_minute=9)
        transport = Transport(self.buckets, self.hub, self.now)
        arrivals, clients = Arrivals(self.pairing, self.clock, self.now), Clients((), ())
        routes = TransportRoutes(
            transport, desk, arrivals, clients, Timing(300, 15, 60), 256 * 1024, self.now
        )
        self.site = BoundedSite(
            Root(device_path, routes.app),
            Clock(),
            most_body=256 * 1024,
            most_connections=100,
            now=self.clock.seconds,
        )
        self.receipt = (await self.put({"current_temperature": 20}))[0]

    def now(self) -> int:
        return int(self.clock.seconds() * 1000)

    def post(self, path: str, body: Any) -> Answer:
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nX-nl-device-id: {SERIAL}\r\nContent-Length: {len(content)}\r\n\r\n"
        channel = self.site.buildProtocol(None)
        transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.1", 5))
        channel.makeConnection(transport)
        self.addCleanup(lambda: channel.connected and channel.connectionLost(Failure(ConnectionLost())))
        channel.dataReceived(head.encode() + content)
        return Answer(transport, channel)

    async def poll(self, *listed: tuple[str, int], chunked: bool = True) -> Answer:
        """Open a poll, and wait for the head of its answer."""
        objects = [{"object_key": key, "object_timestamp": at} for key, at in listed or self.has()]
        answer = self.post("/nest/transport", {"chunked": chunked, "objects": objects})
        await until(answer.transport.value)
        return answer

    def has(self) -> list[tuple[str, int]]:
        """What a unit lists that has all that it was answered, and knows of no home."""
        return [(str(SHARED), self.receipt["object_timestamp"])]

    async def put(self, values: dict[str, Any], base: int | None = None) -> list[dict[str, Any]]:
        written = {"object_key": str(SHARED), "value": values}
        if base is not None:
            written["base_object_revision"] = base
        answer = self.post("/nest/transport/put", {"objects": [written]})
        await until(answer.transport.value)
        receipts: list[dict[str, Any]] = json.loads(answer.more())["objects"]
        return receipts

    async def write(self, values: dict[str, Any]) -> None:
        """A person changes something, and the bus tells the polls."""
        await self.devices.write(SERIAL, [Write(SHARED, texts(values))], self.now())
        await self.changed()

    async def changed(self) -> None:
        self.hub.changed(SERIAL)
        await self.settled()

    async def settled(self) -> None:
        """Wait until the store has answered all that it was asked."""
        for _ in range(3):
            await self.client.command("PING")

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, a quarter of a second at a time."""
        for _ in range(int(seconds * 4)):
            self.clock.advance(0.25)
            await self.settled()


def keys_in(data: bytes) -> list[list[str]]:
    """The keys of each document of an answer, in its order."""
    return [
        re.findall(r'"object_key":"([^"]+)"', each.decode()) for each in data.split(b"\r\n") if b"{" in each
    ]


def target(data: bytes) -> list[float]:
    return [float(each) for each in re.findall(rb'"target_temperature":([0-9.]+)', data)]


class OneAnswer(PushTestCase):
    """What an answer has sent it does not send again, and it comes to an end."""

    async def test_a_device_that_puts_meanwhile(self) -> None:
        """Each PUT moves what it has not acknowledged up behind its receipt; the answer ends 3 s after its chunk."""
        answer = await self.poll()
        await self.write({"target_temperature": 21})
        chunk = answer.more()
        self.assertEqual(target(chunk), [21])
        for number in range(5):
            self.receipt = (await self.put({"current_temperature": 20.5 + number}, base=1))[0]
            await self.changed()
            await self.pass_time(0.5)
        self.assertEqual(answer.more(), b"")
        await self.pass_time(0.5)
        self.assertEqual(answer.more(), FINAL)
        # What the device has not acknowledged by then it is offered anew.
        self.assertEqual(target((await self.poll()).more()), [21])

    async def test_what_comes_again_and_again(self) -> None:
        """Each is sent; but 10 s after the first chunk the answer ends, and the device asks anew."""
        answer = await self.poll()
        sent = []
        for number in range(24):
            await self.write({"target_temperature": 10 + number / 2})
            sent.append(answer.more())
            await self.pass_time(0.5)
        data = b"".join(sent)
        self.assertEqual(data.count(FINAL), 1)
        self.assertTrue(data.endswith(FINAL))
        self.assertEqual(target(data), [10 + number / 2 for number in range(20)])
        self.assertEqual(target((await self.poll()).more()), [21.5])

    async def test_the_same_once_more_is_new_where_it_was_changed_between(self) -> None:
        answer = await self.poll()
        await self.write({"target_temperature": 21})
        self.assertEqual(target(answer.more()), [21])
        await self.pass_time(1)
        await self.put({"target_temperature": 19})
        await self.write({"target_temperature": 21})
        self.assertEqual(target(answer.more()), [21])

    async def test_what_was_moved_goes_along_with_what_is_new(self) -> None:
        """A device that has not taken it yet would claim the later timestamp, and it would count as taken."""
        answer = await self.poll()
        await self.write({"target_temperature": 21})
        answer.more()
        await self.put({"current_temperature": 20.5}, base=1)
        await self.write({"target_temperature_type": "heat"})
        chunk = answer.more()
        self.assertEqual(target(chunk), [21])
        self.assertIn(b'"target_temperature_type":"heat"', chunk)

    async def test_the_end_of_the_hold_does_not_cut_it_short(self) -> None:
        answer = await self.poll()
        await self.pass_time(HOLD - 1)
        await self.write({"target_temperature": 21})
        self.assertEqual(target(answer.more()), [21])
        await self.pass_time(2)
        await self.write({"target_temperature": 22})
        self.assertEqual(target(answer.more()), [22])
        await self.pass_time(2.75)
        self.assertEqual(answer.more(), b"")
        await self.pass_time(0.25)
        self.assertEqual(answer.more(), FINAL)

    async def test_nor_does_one_that_comes_while_the_store_is_asked(self) -> None:
        answer = await self.poll()
        await self.pass_time(HOLD - 0.5)
        gate = self.buckets.gate = Deferred()
        await self.write({"target_temperature": 21})
        await self.pass_time(1)
        self.assertEqual(answer.more(), b"")
        gate.callback(None)
        self.assertEqual(target(answer.more()), [21])
        await self.write({"target_temperature": 22})
        self.assertEqual(target(answer.more()), [22])
        await self.pass_time(3)
        self.assertEqual(answer.more(), FINAL)
        self.assertEqual(len(self.hub), 0)


class LostOnTheWay(PushTestCase):
    async def claim(self) -> None:
        key = await self.pairing.entry_key(SERIAL, "ABCDEFG", self.now())
        self.assertEqual(await self.pairing.claim(key.code, "user_ann", self.now()), SERIAL)

    async def claimed(self) -> None:
        await self.claim()
        await self.changed()

    async def offered(self, *listed: tuple[str, int]) -> list[list[str]]:
        return keys_in((await self.poll(*listed)).more())

    async def test_before_it_was_written(self) -> None:
        answer = await self.poll()
        gate = self.buckets.gate = Deferred()
        await self.claimed()
        answer.abort()
        gate.callback(None)
        await self.settled()
        self.assertEqual((answer.more(), self.buckets.notes), (b"", []))
        for _ in range(3):
            self.assertEqual(await self.offered(), [[USER, HOME]])
        self.assertEqual(await self.offered(), [])

    async def test_before_an_answer_at_once(self) -> None:
        await self.claim()
        for chunked in (True, False):
            gate = self.buckets.gate = Deferred()
            answer = self.post("/nest/transport", {"chunked": chunked, "objects": []})
            await self.settled()
            answer.abort()
            gate.callback(None)
            await self.settled()
        self.assertEqual(self.buckets.notes, [])
        self.assertEqual(await self.offered(), [[USER, HOME]])

    async def test_behind_the_socket(self) -> None:
        answer = await self.poll()
        await self.claimed()
        self.assertEqual(keys_in(answer.more()), [[USER, HOME]])
        answer.abort()
        self.assertEqual(await self.offered(), [[USER, HOME]])

    async def test_in_one_piece(self) -> None:
        await self.claim()
        for _ in range(3):
            self.assertEqual(keys_in((await self.poll(chunked=False)).more()), [[USER, HOME]])
        self.assertEqual((await self.poll(chunked=False)).more(), b'{"objects":[]}')
        self.assertEqual(len(self.buckets.notes), 3)

    async def test_a_unit_that_never_lists_the_user(self) -> None:
        """It is woken three times at most by a claim, and then held for an hour."""
        answer = await self.poll()
        await self.claimed()
        woken = [answer.more()]
        home = int(re.findall(rb'"object_timestamp":(\d+),"object_key":"structure', woken[0])[0])
        await self.pass_time(3)
        self.assertEqual(answer.more(), FINAL)
        start = self.clock.seconds()
        while self.clock.seconds() < start + 3600:
            answer = await self.poll(*self.has(), (HOME, home))
            if data := answer.more():
                woken.append(data)
                self.assertTrue(data.endswith(FINAL))
                continue
            await self.changed()
            for _ in range(HOLD):
                self.assertEqual(answer.more(), b"")
                self.clock.advance(1)
            self.assertEqual(answer.more(), FINAL)
        self.assertEqual([keys_in(each) for each in woken], [[[USER, HOME]], [[USER]], [[USER]]])

    async def test_a_dial_that_is_turned_right_after_the_push(self) -> None:
        """The note is ahead of whatever the device answers."""
        answer = await self.poll()
        await self.devices.write(SERIAL, [Write(SHARED, texts({"target_temperature": 21}))], self.now())
        self.hub.changed(SERIAL)
        await until(lambda: target(answer.transport.value()))
        await self.put({"target_temperature": 18}, base=2)
        device = await self.devices.read(SERIAL, self.now())
        self.assertEqual(device.shared.values["target_temperature"], 18)

    async def test_and_when_the_push_could_not_be_noted(self) -> None:
        """The store was away just then: it is noted before what the device does next."""
        answer = await self.poll()
        self.buckets.away = True
        await self.write({"target_temperature": 21})
        self.assertEqual(target(answer.more()), [21])
        self.buckets.away = False
        await self.put({"target_temperature": 18}, base=2)
        device = await self.devices.read(SERIAL, self.now())
        self.assertEqual(self.buckets.notes, [[str(SHARED)]])
        self.assertEqual(device.shared.values["target_temperature"], 18)
