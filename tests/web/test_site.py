"""The bounds of a connection, with a clock and a transport of the test's own."""

import gc
from typing import Any

from klein import Klein
from twisted.internet.address import IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request

from nled.domain.errors import BadRequest
from nled.web.bodies import MOST as MOST_BODIES
from nled.web.bodies import MOST_FROM_ONE, MOST_IN_HAND
from nled.web.errors import _TABLE
from nled.web.paths import control_path, device_path
from nled.web.request import BoundedRequest
from nled.web.router import Answer, Root, read_body
from nled.web.site import PATIENCE, BoundedSite


class Transport(StringTransport):
    """A transport that closes at once, as one with an attentive peer does."""

    def loseConnection(self) -> None:
        super().loseConnection()
        self.disconnected = True

    def abortConnection(self) -> None:
        self.loseConnection()


class SiteTestCase(SynchronousTestCase):
    app = Klein()

    def setUp(self) -> None:
        self.clock = Clock()
        self.site = BoundedSite(
            Root(device_path, self.app), self.clock, lambda: 0, most_body=1000, most_connections=2
        )
        self.channel, self.transport = self.connect()

    def connect(self) -> tuple[Any, Transport]:
        channel = self.site.buildProtocol(None)
        transport = Transport()
        channel.makeConnection(transport)
        return channel, transport

    @app.route("/echo", methods=["POST"])
    async def echo(self, request: Request) -> Answer:
        return Answer(read_body(request, 1000), headers=((b"X-nl-service-timestamp", b"1"),))

    @app.route("/small", methods=["POST"])
    async def small(self, request: Request) -> Answer:
        return Answer(read_body(request, 10))

    @app.route("/fault", methods=["GET"])
    async def fault(self, request: Request) -> Answer:
        raise ZeroDivisionError("a secret")

    @app.route("/late", methods=["GET"])
    async def late(self, request: Request) -> None:
        request.write(b"begun")
        raise ZeroDivisionError("a secret")

    @app.route("/held", methods=["GET"])
    async def held(self, request: BoundedRequest) -> None:
        request.begin(200, ())
        request.travel_light()
        self.holding: Deferred[None] = Deferred()
        await self.holding
        request.finish()

    @app.route("/refused", methods=["GET"])
    async def refused_at_once(self, request: Request) -> Answer:
        raise BadRequest("No.")

    @app.route("/later", methods=["GET"])
    async def refused_later(self, request: Request) -> Answer:
        self.holding = Deferred()
        await self.holding
        raise BadRequest("No.")

    @app.route("/of/<name>", methods=["GET"])
    async def of(self, request: Request, name: str) -> Answer:
        return Answer(name.encode())

    def ask(self, data: bytes) -> bytes:
        self.transport.clear()
        self.channel.dataReceived(data)
        return self.transport.value()

    def post(self, path: bytes, body: bytes) -> bytes:
        return self.ask(
            b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (path, len(body), body)
        )

    def get(self, path: bytes) -> bytes:
        return self.ask(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)


class Answers(SiteTestCase):
    def test_whole_with_names_as_they_are_written(self) -> None:
        answer = self.post(b"/echo", b"hello")
        self.assertIn(b"\r\nX-nl-service-timestamp: 1\r\n", answer)
        self.assertIn(b"\r\nContent-Length: 5\r\n", answer)
        self.assertIn(b"\r\nContent-Type: application/json\r\n", answer)
        self.assertNotIn(b"chunked", answer)
        self.assertTrue(answer.endswith(b"\r\n\r\nhello"))

    def test_variables_of_the_path(self) -> None:
        self.assertTrue(self.get(b"/of/x").endswith(b"\r\n\r\nx"))
        self.assertTrue(self.get(b"//of/x/").endswith(b"\r\n\r\nx"))

    def test_every_status_has_its_name(self) -> None:
        for status in {answer[1] for answer in _TABLE} | {200, 204, 405, 500}:
            channel, transport = self.connect()
            request = BoundedRequest(channel)
            request.site = self.site
            request.begin(status, ())
            self.assertNotIn(b"Unknown", transport.value().partition(b"\r\n")[0])
            channel.connectionLost()

    def test_errors(self) -> None:
        rows = [
            (self.get(b"/nothing"), b"404"),
            (self.get(b"/echo"), b"405"),
            (self.get(b"/of"), b"404"),
            (self.ask(b"POST /of/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), b"405"),
            (self.get(b"/%ff"), b"400"),
            (self.post(b"/small", b"x" * 11), b"413"),
        ]
        for answer, status in rows:
            self.assertTrue(answer.startswith(b"HTTP/1.1 " + status), answer)
            self.assertIn(b'{"error":"', answer)
            self.assertIn(b"Content-Length", answer)
            self.assertEqual(b"\r\nAllow: " in answer, status == b"405")

    def test_a_fault_is_logged_and_kept_to_ourselves(self) -> None:
        answer = self.get(b"/fault")
        self.assertTrue(answer.startswith(b"HTTP/1.1 500"))
        self.assertNotIn(b"secret", answer)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_fault_behind_the_head_drops_the_connection(self) -> None:
        self.assertNotIn(b"rror", self.get(b"/late"))
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_what_is_not_http(self) -> None:
        for junk in (
            b"hello\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nbroken\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        ):
            self.channel, self.transport = self.connect()
            answer = self.ask(junk)
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), answer)
            self.assertIn(b'{"error":"', answer)
            self.channel.connectionLost()


class Framing(SiteTestCase):
    """Where a request ends is never in doubt: a proxy in front that reads it otherwise would be led astray."""

    def refused(self, head: bytes) -> None:
        self.channel, self.transport = self.connect()
        answer = self.ask(head + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /of/x HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), (head, answer))
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1, (head, answer))
        self.assertTrue(self.transport.disconnecting, head)
        self.transport.producer = None
        self.channel.connectionLost()

    def test_what_leaves_it_in_doubt(self) -> None:
        post = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
        for lines in (
            # Folded lines, which RFC 9112 5.2 lets a server refuse: not all read them alike.
            b"Transfer-Encoding:\r\n chunked",
            b"Transfer-Encoding:\r\n\tchunked",
            b"Transfer-Encoding: chunked\r\n ",
            b"X: y\r\n Transfer-Encoding: chunked",
            b"X: y\r\n\tContent-Length: 5",
            b"X: y\r\n z",
            b"Content-Length:\r\n 5",
            b"Content-Length: 5\r\n 5",
            # Two lengths, or a length and chunks (RFC 9112 6.3).
            b"Content-Length: 5\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5",
            b"Content-Length: 5\r\nContent-Length: 5",
            b"Content-Length: 5\r\nContent-Length: 6",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            # Lengths and codings that are none.
            b"Content-Length: 5, 5",
            b"Content-Length: +5",
            b"Content-Length: 0x5",
            b"Content-Length:",
            b"Transfer-Encoding:",
            b"Transfer-Encoding: gzip, chunked",
            b"Transfer-Encoding: chunked, chunked",
            b"Transfer-Encoding: xchunked",
            b"Transfer-Encoding: identity",
            b"Transfer-Encoding: identity\r\nContent-Length: 5",
            # Names that another server might read.
            b"Transfer-Encoding : chunked",
            b"Content-Length : 5",
            b"Content-Length\t: 5",
            b"X: y\nTransfer-Encoding: chunked",
            b"X: y\rTransfer-Encoding: chunked",
            b"X: y\x00\r\nTransfer-Encoding: chunked",
        ):
            self.refused(post + lines)
        self.refused(b"POST /echo HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: x")

    def test_what_does_not(self) -> None:
        head = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
        for lines in (
            b"Transfer-Encoding:chunked",
            b"transfer-encoding: \t Chunked \t ",
            b"X:\r\nTransfer-Encoding: chunked",
        ):
            answer = self.ask(head + lines + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            self.assertTrue(answer.endswith(b"\r\n\r\nhello"), (lines, answer))


class Bounds(SiteTestCase):
    def test_a_declared_length(self) -> None:
        answer = self.ask(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 413"))
        self.assertEqual(self.ask(b"x" * 1001), b"", "read and dropped, no second answer")
        self.assertTrue(self.transport.disconnecting)

    def test_a_body_in_chunks(self) -> None:
        self.ask(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.assertEqual(self.ask(b"200\r\n" + b"x" * 512 + b"\r\n"), b"")
        self.assertTrue(self.ask(b"200\r\n" + b"x" * 512 + b"\r\n").startswith(b"HTTP/1.1 413"))
        self.assertEqual(self.ask(b"0\r\n\r\n"), b"")
        self.assertTrue(self.transport.disconnecting)

    def test_all_bodies_together(self) -> None:
        self.site.bodies.held = MOST_BODIES - 2
        head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
        self.assertEqual(self.ask(head + b"x"), b"")
        other, transport = self.connect()
        other.dataReceived(head + b"xy")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 503"))
        self.assertIn(b'{"error":"', transport.value())
        other.connectionLost()
        self.assertTrue(self.ask(b"y").endswith(b"xy"))
        self.ask(head + b"x")
        self.channel.connectionLost()
        self.assertEqual(self.site.bodies.held, MOST_BODIES - 2)

    def test_bodies_from_one_address(self) -> None:
        """Nobody alone can take all the room there is."""
        head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
        other, transport = self.connect()
        sender = other.transport.getPeer().host
        self.site.bodies.held_from[sender] = MOST_FROM_ONE
        other.dataReceived(head + b"x")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 503"))
        other.connectionLost()
        self.site.bodies.held_from[sender] = 0
        self.assertTrue(self.ask(head + b"xy").endswith(b"xy"))
        self.assertEqual(self.site.bodies.held_from, {})

    def test_one_host_of_many_addresses(self) -> None:
        """In IPv6 one host has a /64 of them; IPv4 on a port for both does not."""
        for peer, sender in (
            ("2001:db8::1:2", "2001:db8::"),
            ("2001:db8::ffff:3", "2001:db8::"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
        ):
            channel = self.site.buildProtocol(None)
            channel.makeConnection(Transport(peerAddress=IPv6Address("TCP", peer, 1)))
            self.assertEqual(channel.sender, sender)
            channel.connectionLost()

    def test_a_turn(self) -> None:
        """A body is handled once others in hand leave room, unless its client has gone."""
        sender = self.channel.transport.getPeer().host
        for goes in (False, True):
            self.site.bodies.take_turn(sender, MOST_IN_HAND, lambda: None)
            self.assertEqual(self.post(b"/echo", b"hello"), b"")
            # What has no body waits for nothing.
            other, transport = self.connect()
            other.dataReceived(b"GET /of/x HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(transport.value().endswith(b"\r\n\r\nx"))
            other.connectionLost()
            if goes:
                self.transport.producer = None
                self.channel.connectionLost()
            self.site.bodies.end_turn(sender, MOST_IN_HAND)
            self.assertEqual(self.transport.value().endswith(b"hello"), not goes)
            self.assertEqual((self.site.bodies.held, self.site.bodies.in_hand), (0, 0))

    def test_one_that_asks_before_it_sends_too_much(self) -> None:
        answer = self.ask(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n"
        )
        self.assertTrue(answer.startswith(b"HTTP/1.1 413"))
        self.assertNotIn(b"100 Continue", answer)

    def test_a_request_has_one_clock_whatever_trickles(self) -> None:
        for piece in (b"POST /echo HT", b"TP/1.1\r\nHost: x\r\n", b"Content-Length: 5\r\n\r\n", b"h"):
            self.channel.dataReceived(piece)
            self.clock.advance(PATIENCE / 5)
        self.assertFalse(self.transport.disconnecting)
        self.channel.dataReceived(b"e")
        self.clock.advance(PATIENCE / 5)
        self.assertTrue(self.transport.disconnecting)

    def test_the_next_request_has_a_clock_of_its_own(self) -> None:
        for _ in range(3):
            self.clock.advance(PATIENCE - 1)
            self.assertIn(b"200", self.post(b"/echo", b"x"))
        self.clock.advance(PATIENCE)
        self.assertTrue(self.transport.disconnecting)

    def test_connections(self) -> None:
        other, _ = self.connect()
        self.assertIsNone(self.site.buildProtocol(None))
        other.connectionLost()
        self.assertIsNotNone(self.site.buildProtocol(None))


class Unread(SiteTestCase):
    """A client that reads nothing: what it asks is not answered into memory, nor what it sends read."""

    def setUp(self) -> None:
        super().setUp()
        self.full = True
        write = self.transport.write

        def into_a_full_buffer(data: bytes) -> None:
            write(data)
            if self.full:
                self.channel.pauseProducing()

        self.transport.write = into_a_full_buffer

    def drain(self) -> None:
        self.full = False
        self.channel.resumeProducing()

    def test_what_it_asks_ahead_waits(self) -> None:
        asked = b"".join(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(3)
        )
        answers = self.ask(asked)
        self.assertEqual((answers.count(b"HTTP/1.1 200"), answers[-1:]), (1, b"0"))
        self.assertEqual(self.transport.producerState, "paused")
        self.drain()
        answers = self.transport.value()
        self.assertEqual((answers.count(b"HTTP/1.1 200"), answers[-1:]), (3, b"2"))
        self.assertEqual(self.transport.producerState, "producing")
        self.assertIn(b"200", self.post(b"/echo", b"x"))

    def test_answers_that_are_held(self) -> None:
        self.get(b"/held")
        self.assertEqual(self.transport.producerState, "paused")
        self.drain()
        self.assertEqual(self.transport.producerState, "producing")
        self.holding.callback(None)
        self.assertTrue(self.transport.value().endswith(b"0\r\n\r\n"))

    def test_for_so_long_and_no_longer(self) -> None:
        self.get(b"/of/x")
        self.clock.advance(PATIENCE - 1)
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(1)
        self.assertTrue(self.transport.disconnecting)

    def test_one_that_goes(self) -> None:
        self.post(b"/echo", b"x" * 500)
        self.transport.producer = None
        self.channel.connectionLost()
        self.assertEqual((self.site.connections, self.site.bodies.held), (0, 0))


class Garbage(SiteTestCase):
    """A full collection would stop all answers, so nothing may need one (nled/tap.py)."""

    def setUp(self) -> None:
        super().setUp()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)

    def test_of_answers_at_once(self) -> None:
        for _ in range(50):
            self.post(b"/echo", b"x")
        self.assertLess(gc.collect(), 50)

    def test_of_those_whose_client_goes_amid_the_body(self) -> None:
        for framing in (b"Content-Length: 5", b"Transfer-Encoding: chunked"):
            for _ in range(50):
                self.ask(b"POST /echo HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n5\r\n")
                self.transport.producer = None
                self.channel.connectionLost()
                self.channel, self.transport = self.connect()
        self.assertLess(gc.collect(), 50)

    def test_of_those_that_are_refused(self) -> None:
        for _ in range(50):
            self.assertIn(b" 400 ", self.get(b"/refused"))
        self.assertLess(gc.collect(), 50)

    def test_of_those_that_are_refused_later(self) -> None:
        for _ in range(50):
            self.get(b"/later")
            self.holding.callback(None)
        self.assertIn(b" 400 ", self.transport.value())
        self.assertLess(gc.collect(), 50)

    def test_of_held_ones_that_end(self) -> None:
        for _ in range(50):
            self.get(b"/held")
            self.holding.callback(None)
        self.assertTrue(self.transport.value().endswith(b"0\r\n\r\n"))
        self.assertLess(gc.collect(), 50)

    def test_of_held_ones_whose_client_goes(self) -> None:
        for _ in range(50):
            self.get(b"/held")
            # As a real transport does when it is lost.
            self.transport.producer = None
            self.channel.connectionLost()
            self.channel, self.transport = self.connect()
        self.assertLess(gc.collect(), 50)


class Paths(SynchronousTestCase):
    def test_device(self) -> None:
        rows = {
            b"/entry": "/nest/entry",
            b"/entry/": "/nest/entry",
            b"//nest//entry//": "/nest/entry",
            b"/ping/": "/nest/ping",
            b"/passphrase/status": "/nest/passphrase/status",
            b"/czfe": "/nest/transport",
            b"/czfe/v7/subscribe": "/nest/transport",
            b"/transport": "/nest/transport",
            b"/transport/": "/nest/transport",
            b"/nest/transport/subscribe": "/nest/transport",
            b"/nest/transport/any%20thing/put/": "/nest/transport/put",
            b"/transport/put": "/nest/transport/put",
            b"/transport/v7/device/device.S": "/nest/transport/v7/device/device.S",
            b"/transportfoo": "/transportfoo",
            b"/entryway": "/entryway",
            b"/nest/transport/a/b/put": "/nest/transport/a/b/put",
            b"/info/": "/info",
            b"http://nled.lan:8000/entry": "/nest/entry",
            b"https://nled.lan": "/",
            b"/http://x/entry": "/http:/x/entry",
            b"/": "/",
            b"": "/",
        }
        for raw, path in rows.items():
            self.assertEqual(device_path(raw), path)

    def test_control(self) -> None:
        self.assertEqual(control_path(b"/api//register/"), "/api/register")
        self.assertEqual(control_path(b"/entry"), "/entry")
