"""The event stream on raw bytes, with a clock, a transport and a memory of notices of the test's own."""

import socket
from typing import Any

from klein import Klein
from twisted.internet import reactor
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from nled.actions.feed import Feed
from nled.actions.watch import RECHECK, Watches
from nled.domain.access import Principal
from nled.domain.errors import Refused
from nled.domain.notice import Notice, What
from nled.web import events
from nled.web.endpoint import Call
from nled.web.events import HEARTBEAT, PATIENCE, EventRoutes
from nled.web.paths import control_path
from nled.web.request import BoundedRequest
from nled.web.router import Root
from nled.web.site import PATIENCE as SITE_PATIENCE
from nled.web.site import BoundedSite
from tests.actions.test_watch import ANNA, MINE, OTHER, Memory
from tests.store.support import until
from tests.web.test_site import Transport

HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:01 GMT\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class StreamTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1)
        self.feed = Feed(self.clock)
        self.memory = Memory()
        self.sees: frozenset[str] | None = None
        self.refused = False
        routes = EventRoutes(self.clock, Watches(self.feed, self.memory, self.visible, 2))
        [endpoint] = routes.endpoints()

        async def handle(request: BoundedRequest) -> Any:
            return await endpoint.handler(Call(request, ANNA, "127.0.0.1"))

        app = Klein()
        app.route(endpoint.path, methods=[endpoint.method])(handle)
        self.site = BoundedSite(
            Root(control_path, app), self.clock, lambda: 1000, most_body=1000, most_connections=10
        )

    async def visible(self, _: Principal) -> frozenset[str] | None:
        if self.refused:
            raise Refused("Unauthorized")
        return self.sees

    def connect(self, last: str = "", method: bytes = b"GET") -> tuple[Any, Transport]:
        """Ask for the stream; the transport starts out without the head and the first sign of life."""
        channel, transport = self.site.buildProtocol(None), Transport()
        channel.makeConnection(transport)
        more = f"Last-Event-ID: {last}\r\n".encode() if last else b""
        channel.dataReceived(method + b" /api/events HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n")
        self.began = transport.value()
        transport.clear()
        return channel, transport

    def happen(self, number: int, what: What, serial: str = MINE, fields: str = "[]") -> None:
        notice = Notice(serial, f"shared.{serial}", number, number * 10, what, f"{number}-0", fields)
        self.memory.kept.append(notice)
        self.feed.publish(notice)


class OnTheWire(StreamTestCase):
    def test_head_and_first_line_at_once(self) -> None:
        self.happen(7, "device")
        self.connect()
        self.assertEqual(self.began, HEAD + chunk(b":\nid: 7-0\n\n"))

    def test_each_kind(self) -> None:
        _, transport = self.connect()
        key = b'"key":"shared.02AA01AC33140F61"'
        rows: list[tuple[What, str, bytes]] = [
            (
                "server",
                '["target_temperature"]',
                b'"kind":"changed","origin":"server",%s,"revision":1,"timestamp":10,"fields":["target_temperature"]',
            ),
            (
                "device",
                "[]",
                b'"kind":"changed","origin":"device",%s,"revision":2,"timestamp":20,"fields":[]',
            ),
            (
                "pushed",
                '["a b"]',
                b'"kind":"delivery","delivery":"pushed",%s,"revision":3,"timestamp":30,"fields":["a b"]',
            ),
            (
                "acknowledged",
                "[]",
                b'"kind":"delivery","delivery":"acknowledged",%s,"revision":4,"timestamp":40,"fields":[]',
            ),
            ("online", "[]", b'"kind":"availability","available":true'),
            ("offline", "[]", b'"kind":"availability","available":false'),
            ("met", "[]", b'"kind":"met"'),
            ("forgotten", "[]", b'"kind":"forgotten"'),
            ("unpaired", "[]", b'"kind":"unpaired"'),
            ("access", "[]", b'"kind":"access"'),
        ]
        for number, (what, fields, expected) in enumerate(rows, 1):
            self.happen(number, what, fields=fields)
            data = b'{"serial":"02AA01AC33140F61",%b}' % expected.replace(b"%s", key)
            self.assertEqual(transport.value(), chunk(b"id: %d-0\ndata: %b\n\n" % (number, data)), what)
            transport.clear()

    def test_of_a_home_one_for_each_device_and_an_id_with_the_last(self) -> None:
        _, transport = self.connect()
        notice = Notice("", "structure.S1", 1, 10, "server", "1-0", '["away"]', home="anna")
        self.feed.publish(notice.expand({MINE: 0, OTHER: 0}, 0))
        events = [
            b'data: {"serial":"%b","kind":"changed","origin":"server","key":"structure.S1","revision":1,'
            b'"timestamp":10,"fields":["away"]}\n\n' % serial.encode()
            for serial in (MINE, OTHER)
        ]
        self.assertEqual(transport.value(), chunk(events[0]) + chunk(b"id: 1-0\n" + events[1]))

    def test_signs_of_life_for_as_long_as_it_lasts(self) -> None:
        _, transport = self.connect()
        self.happen(1, "device")
        transport.clear()
        for _ in range(int(3 * SITE_PATIENCE / HEARTBEAT)):
            self.clock.advance(HEARTBEAT)
            self.assertEqual(transport.value(), chunk(b":\nid: 1-0\n\n"))
            transport.clear()
        self.assertFalse(transport.disconnecting)

    def test_it_goes_on_where_the_client_left_off(self) -> None:
        for number in (1, 2, 3):
            self.happen(number, "met")
        self.connect("1-0")
        events = [
            chunk(b'id: %d-0\ndata: {"serial":"%b","kind":"met"}\n\n' % (number, MINE.encode()))
            for number in (2, 3)
        ]
        self.assertEqual(self.began, HEAD + chunk(b":\nid: 1-0\n\n") + b"".join(events))

    def test_or_says_that_it_cannot(self) -> None:
        self.happen(5, "met")
        for last in ("3-0", "\xff"):
            self.connect(last)
            self.assertTrue(
                self.began.endswith(chunk(b'id: 5-0\ndata: {"serial":"","kind":"gap"}\n\n')), self.began
            )

    def test_each_gap_is_told_from_where_it_ends(self) -> None:
        _, transport = self.connect("3-0")
        self.memory.kept.clear()
        self.happen(9, "met")
        self.feed.missed()
        self.assertIn(b'id: 9-0\ndata: {"serial":"02AA01AC33140F61"', transport.value())
        self.memory.kept.clear()
        transport.clear()
        self.feed.missed()
        self.assertEqual(transport.value(), chunk(b'id: 0-0\ndata: {"serial":"","kind":"gap"}\n\n'))

    def test_only_what_the_client_may_read(self) -> None:
        self.sees = frozenset({MINE})
        _, transport = self.connect()
        self.happen(1, "device", OTHER)
        self.assertEqual(transport.value(), b"")
        self.happen(2, "device")
        self.assertIn(MINE.encode(), transport.value())

    def test_head_only(self) -> None:
        self.connect(method=b"HEAD")
        self.assertEqual(self.began, HEAD.replace(b"Transfer-Encoding: chunked\r\n", b""))
        self.assertEqual(len(self.feed), 0)


class Ends(StreamTestCase):
    def assert_nothing_is_left(self) -> None:
        self.assertEqual(len(self.feed), 0)
        # All that runs is the idle connections' own clock.
        self.assertFalse([call for call in self.clock.getDelayedCalls() if "Listener" in repr(call.func)])

    def test_the_client_goes(self) -> None:
        channel, _ = self.connect()
        self.assertEqual(len(self.feed), 1)
        channel.connectionLost(Failure(ConnectionLost()))
        self.assert_nothing_is_left()
        self.happen(1, "device")

    def test_no_more_than_there_may_be(self) -> None:
        first, _ = self.connect()
        self.connect()
        self.connect()
        self.assertTrue(self.began.startswith(b"HTTP/1.1 503"), self.began)
        self.assertIn(b"event streams", self.began)
        first.connectionLost(Failure(ConnectionLost()))
        self.connect()
        self.assertTrue(self.began.startswith(b"HTTP/1.1 200"))

    def test_a_client_that_does_not_read_is_dropped(self) -> None:
        channel, transport = self.connect()
        channel.pauseProducing()
        for number in range(1, 1000):
            self.happen(number, "device")
        # One was on its way when the transport said that it is full.
        self.assertEqual(transport.value().count(b"data:"), 1)
        self.clock.advance(PATIENCE)
        self.assertTrue(transport.disconnecting)
        self.assert_nothing_is_left()

    def test_one_that_reads_again_in_time_misses_nothing(self) -> None:
        self.happen(1, "met")
        channel, transport = self.connect()
        channel.pauseProducing()
        for number in range(2, 700):
            self.happen(number, "device")
        self.clock.advance(PATIENCE - 1)
        channel.resumeProducing()
        received = [int(line[4:-2]) for line in transport.value().splitlines() if line.startswith(b"id:")]
        self.assertEqual(received, list(range(2, 700)))
        self.clock.advance(PATIENCE)
        self.assertFalse(transport.disconnecting)

    def test_a_key_that_is_revoked(self) -> None:
        _, transport = self.connect()
        self.clock.advance(RECHECK - 1)
        transport.clear()
        self.refused = True
        self.clock.advance(1)
        self.happen(1, "device")
        self.assertEqual(transport.value(), b"0\r\n\r\n")
        self.assert_nothing_is_left()

    def test_the_daemon_stops(self) -> None:
        _, transport = self.connect()
        self.successResultOf(self.feed.stop())
        self.assertTrue(transport.value().endswith(b"0\r\n\r\n"))
        self.assert_nothing_is_left()


class OverTcp(TestCase):
    async def test_a_client_that_does_not_read_is_dropped(self) -> None:
        """The transport says when it is full, and what waits for this client is bounded until then."""
        self.patch(events, "PATIENCE", 0.2)
        feed, memory = Feed(reactor), Memory()

        async def visible(_: Principal) -> None:
            return None

        routes = EventRoutes(reactor, Watches(feed, memory, visible, 2))

        async def handle(request: BoundedRequest) -> Any:
            return await routes.events(Call(request, ANNA, "127.0.0.1"))

        app = Klein()
        app.route("/api/events", methods=["GET"])(handle)
        site = BoundedSite(Root(control_path, app), reactor, lambda: 0, most_body=1000, most_connections=10)
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port.getHost().port))
            client.sendall(b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: len(feed))
            for number in range(1, 200_000):
                if not len(feed):
                    break
                memory.kept = [Notice(MINE, "x" * 1000, 1, 1, "device", f"{number}-0")]
                feed.publish(memory.kept[0])
                if number % 100 == 0:
                    await deferLater(reactor, 0.001)
            self.assertFalse(len(feed))
            await until(lambda: not site.connections)
