"""What an endpoint's definition makes of requests and of what its handler returns or raises."""

from typing import Any

from msgspec import Struct
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.access import Need, Principal, Rate
from nled.domain.errors import BadRequest, Conflict, Denied, NotKnown, TooMany
from nled.web.bodies import MOST_FROM_ONE, MOST_IN_HAND
from nled.web.endpoint import Call, Endpoint
from nled.web.router import Answer
from tests.web.edge import KEY, LOCAL, MINUTE_END, NOW, SOCKET, STRANGER, Edge, FakeAuthority

RATE = Rate(100, 99, NOW + 1)


class Order(Struct):
    serial: str
    value: float | None = None


class Which(Struct):
    serial: str = "all"


async def echo(call: Call, **variables: str) -> dict[str, Any]:
    return {"body": call.body, "query": call.query, **variables}


def endpoint(method="POST", path="/it", handler=echo, need=Need.WRITE, **more):
    return Endpoint(method, path, handler, need, "Do it", **more)


class RequestTests(SynchronousTestCase):
    def setUp(self):
        self.edge = Edge(
            endpoint(body=Order, query=Which, missing={"serial": "Serial required"}),
            endpoint("GET", query=Which),
            endpoint("PUT"),
            endpoint("DELETE", "/of/<name>"),
            endpoint("POST", "/of/all"),
            endpoint("POST", "/small", most_body=10, body=dict),
        )

    def test_body_and_query(self):
        reply = self.edge.ask("POST", "/it?serial=Q&x=y", {"serial": "B", "value": 21, "more": 1})
        self.assertEqual(reply.json, {"body": {"serial": "B", "value": 21.0}, "query": {"serial": "Q"}})

    def test_only_what_is_asked_for_is_read(self):
        self.assertEqual(self.edge.ask("PUT", "/it", b"[no JSON").json, {"body": None, "query": None})
        self.assertEqual(self.edge.ask("GET", "/it", b"[no JSON").json["body"], None)

    def test_a_body_in_chunks(self):
        head = b"POST /it HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        reply = self.edge.raw(head + b'\r\n7\r\n{"seria\r\n8\r\nl": "B"}\r\n0\r\n\r\n')
        self.assertEqual((reply.status, reply.json["body"]["serial"]), (200, "B"))

    def test_variables_of_the_path(self):
        self.assertEqual(self.edge.ask("DELETE", "/of/a%20b").json["name"], "a b")

    def test_wrong_ones(self):
        for path, body, sentence in (
            ("/it", {"serial": 5}, "serial must be text, it is a number."),
            ("/it", {"serial": "S", "value": "x"}, "value must be a number or null, it is text."),
            ("/it", {}, "Serial required"),
            ("/it?serial=", {"serial": "S"}, "Serial required"),
            ("/it?serial=a&serial=b", {"serial": "S"}, "serial is given 2 times; give it once."),
            ("/it", [], "The body must be an object, it is a list."),
        ):
            reply = self.edge.ask("POST", path, body)
            told = {"success": False, "message": sentence, "error": sentence}
            self.assertEqual((reply.status, reply.json), (400, told))
        self.assertTrue(self.edge.refused("POST", "/it", b"{")[1].startswith("Invalid JSON"))
        self.assertTrue(self.edge.refused("POST", "/it")[1].startswith("Invalid JSON"))

    def test_only_json(self):
        body = b'{"serial": "S"}'
        for kind in ("application/json", "Application/JSON; charset=utf-8", "application/json;x"):
            self.assertEqual(self.edge.ask("POST", "/it", body, **{"content-type": kind}).status, 200, kind)
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/jsonx",
            "",
        ):
            for method in ("POST", "PUT"):
                reply = self.edge.ask(method, "/it", body, **{"content-type": kind})
                self.assertEqual(reply.status, 415, (method, kind))
        lines = f"content-length: {len(body)}\r\n\r\n".encode()
        self.assertEqual(
            self.edge.raw(b"POST /it HTTP/1.1\r\nHost: localhost\r\n" + lines + body).status, 415
        )

    def test_a_body_that_is_too_long(self):
        self.assertEqual(self.edge.ask("POST", "/small", b'{"a": 1   }').status, 413)
        self.assertEqual(self.edge.ask("POST", "/small", b'{"a": 1  }').status, 200)

    def test_paths_and_methods(self):
        head = self.edge.ask("HEAD", "/it")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertGreater(int(head.headers["Content-Length"]), 0)
        reply = self.edge.ask("PATCH", "/it")
        self.assertEqual((reply.status, reply.headers["Allow"]), (405, "GET, HEAD, POST, PUT"))
        self.assertEqual(self.edge.ask("GET", "/of/x").status, 405)
        reply = self.edge.ask("DELETE", "/of/all")
        self.assertEqual((reply.status, reply.headers["Allow"]), (405, "POST"))
        for path in ("/nowhere", "/of/", "/of/a/b"):
            reply = self.edge.ask("GET", path)
            self.assertEqual((reply.status, sorted(reply.json)), (404, ["error", "message", "success"]), path)
        self.assertEqual(self.edge.ask("GET", "//it/").status, 200)


class AnswerTests(SynchronousTestCase):
    def answer(self, handler):
        return Edge(endpoint("GET", handler=handler, need=Need.READ)).ask("GET", "/it")

    def test_what_a_handler_returns(self):
        async def later(_call: Call) -> Which:
            return Which("S")

        async def list_of(_call: Call) -> list[Which]:
            return [Which("S")]

        async def own(_call: Call) -> Answer:
            return Answer(b"[]", 201)

        async def by_itself(call: Call) -> None:
            call.request.reply(200, (), b"{}")

        for handler, status, body in (
            (later, 200, b'{"serial":"S"}'),
            (lambda _call: Which("S"), 200, b'{"serial":"S"}'),
            (list_of, 200, b'[{"serial":"S"}]'),
            (own, 201, b"[]"),
            (lambda _call: Answer(b"[]", 202), 202, b"[]"),
            (by_itself, 200, b"{}"),
        ):
            reply = self.answer(handler)
            self.assertEqual((reply.status, reply.body), (status, body))

    def test_what_a_handler_raises(self):
        for error, status in (
            (BadRequest("No."), 400),
            (Denied("No."), 403),
            (NotKnown("No."), 404),
            (Conflict("No."), 409),
            (TooMany("No."), 429),
        ):

            async def later(_call: Call, error: Exception = error) -> None:
                raise error

            def now(_call: Call, error: Exception = error) -> None:
                raise error

            for handler in (later, now):
                reply = self.answer(handler)
                told = {"success": False, "message": "No.", "error": "No."}
                self.assertEqual((reply.status, reply.json), (status, told))

    def test_a_fault(self):
        async def fault(_call: Call) -> None:
            raise ZeroDivisionError("a secret")

        reply = self.answer(fault)
        self.assertEqual(reply.status, 500)
        self.assertNotIn("secret", reply.json["message"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class HostedTests(SynchronousTestCase):
    """The shape of the hosted service: always a key, its errors, its headers (protocol d.1)."""

    def edge(self, scopes=("read",), rate=RATE, limit=100):
        async def fail(call: Call) -> None:
            raise NotKnown("Device not found") if call.query.serial == "gone" else BadRequest("No.")

        edge = Edge(
            endpoint("GET", "/api/v1/read", need=Need.READ, tag="v1"),
            endpoint("POST", "/api/v1/write", body=Order, tag="v1"),
            endpoint("GET", "/api/v1/fail", fail, Need.READ, query=Which, tag="v1"),
            endpoint("GET", "/api/v1/of/<name>", need=Need.READ, tag="v1"),
            limit=limit,
        )
        edge.authority.keys[KEY] = Principal("key", frozenset(scopes), key="id"), rate
        return edge

    def limits(self, reply):
        names = ("Limit", "Remaining", "Reset")
        return tuple(reply.headers[f"X-RateLimit-{name}"] for name in names)

    def test_a_key_is_always_needed(self):
        edge = self.edge()
        for peer in (LOCAL, STRANGER, SOCKET):
            for key in (None, "x", "nle_" + "0" * 64):
                reply = edge.ask("GET", "/api/v1/read", peer=peer, key=key)
                self.assertEqual((reply.status, reply.json), (401, {"error": "Unauthorized"}))
                self.assertEqual(self.limits(reply), ("100", "100", MINUTE_END))

    def test_a_wrong_one_counts_from_everywhere(self):
        edge = self.edge()
        edge.ask("GET", "/api/v1/read", key="nle_" + "0" * 64)
        self.assertEqual([counted for _, _, counted in edge.authority.asked], [True])

    def test_what_is_left_is_told_with_every_answer(self):
        edge = self.edge(scopes=("read", "write"))
        for method, path, body, status in (
            ("GET", "/api/v1/read", None, 200),
            ("HEAD", "/api/v1/read", None, 200),
            ("POST", "/api/v1/write", {}, 400),
            ("POST", "/api/v1/write", b"{", 400),
            ("GET", "/api/v1/fail?serial=gone", None, 404),
        ):
            reply = edge.ask(method, path, body, key=KEY)
            self.assertEqual(reply.status, status)
            self.assertEqual(self.limits(reply), ("100", "99", "2023-11-14T22:14:00.501Z"))
        for method, path, status in (
            ("GET", "/api/v1/nowhere", 404),
            ("GET", "/api/v1", 404),
            ("DELETE", "//api/v1/read", 405),
        ):
            asked = len(edge.authority.asked)
            reply = edge.ask(method, path, key=KEY)
            self.assertEqual((reply.status, list(reply.json)), (status, ["error"]))
            self.assertEqual(self.limits(reply), ("100", "99", "2023-11-14T22:14:00.501Z"))
            self.assertEqual(len(edge.authority.asked), asked + 1, "it is counted, once")
            reply = edge.ask(method, path)
            self.assertEqual((reply.status, self.limits(reply)), (status, ("100", "100", MINUTE_END)))

    def test_it_is_told_once_the_key_was_looked_up(self):
        edge, door = self.edge(), Deferred()

        async def bearer(*_, **__):
            await door
            return Principal("key", frozenset()), RATE

        self.patch(FakeAuthority, "bearer", bearer)
        for path, status in ((b"/api/v1/nowhere", 404), (b"/api/v1/of/x", 405)):
            channel, transport = edge.site.buildProtocol(None), StringTransport()
            channel.makeConnection(transport)
            channel.dataReceived(
                b"PATCH %b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n"
                % (path, KEY.encode())
            )
            self.assertEqual(transport.value(), b"")
            door, opened = Deferred(), door
            opened.callback(None)
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 %d " % status), transport.value())
            self.assertIn(b"X-RateLimit-Remaining: 99", transport.value())

    def test_errors_have_one_name(self):
        reply = self.edge().ask("GET", "/api/v1/fail", key=KEY)
        self.assertEqual((reply.status, reply.json), (400, {"error": "No."}))

    def test_a_scope_that_is_missing(self):
        reply = self.edge().ask("POST", "/api/v1/write", {"serial": "S"}, key=KEY)
        self.assertEqual((reply.status, reply.json), (403, {"error": "Access denied to this device"}))

    def test_one_request_too_many(self):
        edge = self.edge(rate=Rate(100, 0, NOW + 19_500, exceeded=True))
        reply = edge.ask("GET", "/api/v1/read", key=KEY)
        until = "2023-11-14T22:14:20.000Z"
        self.assertEqual(reply.status, 429)
        self.assertEqual(reply.json, {"error": "Rate limit exceeded", "retryAfter": until})
        self.assertEqual(self.limits(reply), ("100", "0", until))
        self.assertEqual(reply.headers["Retry-After"], "20")
        self.assertEqual(edge.ask("GET", "/api/v1/nowhere", key=KEY).status, 429)

    def test_too_many_wrong_keys(self):
        edge = self.edge()
        edge.authority.error = TooMany("Too many.")
        reply = edge.ask("GET", "/api/v1/read", key=KEY)
        self.assertEqual(reply.status, 429)
        self.assertEqual(reply.json, {"error": "Rate limit exceeded", "retryAfter": MINUTE_END})
        self.assertEqual(self.limits(reply), ("100", "0", MINUTE_END))
        self.assertEqual(reply.headers["Retry-After"], "60")

    def test_no_limit_is_told_as_one_that_is_never_reached(self):
        edge = self.edge(rate=Rate(0, 0, NOW), limit=0)
        for key in (KEY, None):
            self.assertEqual(
                self.limits(edge.ask("GET", "/api/v1/read", key=key))[:2], ("1000000", "1000000")
            )


class ByHeadTests(SynchronousTestCase):
    """Who may not send a request is told so by its head; its body is neither waited for nor kept."""

    JSON = b"Host: localhost\r\nContent-Type: application/json\r\n"
    LENGTH = b"Content-Length: 14\r\n"
    CHUNKED = b"Transfer-Encoding: chunked\r\n"
    BODY = b'{"serial":"S"}'
    IN_CHUNKS = b'5\r\n{"ser\r\n9\r\nial":"S"}\r\n0\r\n\r\n'

    def setUp(self):
        self.done = []

        async def handler(call, **_):
            self.done.append(call.body)
            return {}

        self.edge = Edge(
            endpoint("POST", "/it", handler, body=Which),
            endpoint("PUT", "/of/<name>", handler, body=Which),
            endpoint("POST", "/api/v1/it", handler, body=Which, tag="v1"),
            endpoint("POST", "/large", handler, body=Which, most_body=100_000),
            endpoint("POST", "/keys", handler, Need.ADMIN, body=Which),
            endpoint("GET", "/it", handler, Need.READ),
        )
        self.edge.authority.keys[KEY] = Principal("key", frozenset({"read", "write"}), key="id"), RATE
        self.connect()

    def connect(self, peer=STRANGER):
        self.channel = self.edge.site.buildProtocol(None)
        self.transport = StringTransport(peerAddress=IPv4Address("TCP", peer, 1))
        self.channel.makeConnection(self.transport)

    def send(self, *pieces):
        self.transport.clear()
        self.channel.dataReceived(b"".join(pieces))
        return self.transport.value()

    def head(self, line, *lines):
        return self.send(line, b" HTTP/1.1\r\n", self.JSON, *lines, b"\r\n")

    def key(self, text=KEY):
        return f"Authorization: Bearer {text}\r\n".encode()

    def has_status(self, answer, status):
        self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), answer)

    def test_the_answer_comes_before_the_body_and_is_the_same(self):
        admin = self.key("nle_" + "0" * 64)
        for line, lines, status in (
            (b"POST /it", (), 401),
            (b"PUT /of/x", (), 401),
            (b"POST /api/v1/it", (), 401),
            (b"GET /it", (), 401),
            (b"POST /it", (self.key("nle_short"),), 401),
            (b"POST /it", (b"Authorization: Basic eDp5\r\n",), 401),
            (b"POST /it", (admin,), 401),
            (b"POST /keys", (self.key(),), 403),
            (b"POST /it", (b"Origin: http://evil.example\r\n",), 403),
            (b"POST /nowhere", (), 404),
            (b"POST /api/v1/nowhere", (self.key(),), 404),
            (b"PUT /it", (), 405),
            (b"PUT /of", (), 404),
            (b"POST /of/x", (), 405),
        ):
            for framing, body in ((self.LENGTH, self.BODY), (self.CHUNKED, self.IN_CHUNKS)):
                early = self.head(line, *lines, framing)
                self.has_status(early, status)
                # The body is dropped, and the connection goes on behind it.
                self.assertEqual(self.send(body[:3]), b"")
                self.assertEqual(self.edge.site.bodies.held, 0)
                self.assertEqual(self.send(body[3:]), b"")
                whole = self.send(line, b" HTTP/1.1\r\n", self.JSON, *lines, framing, b"\r\n", body)
                self.assertEqual(early, whole, line)
        self.assertEqual(self.done, [])
        self.has_status(self.head(b"POST /it", self.key(), self.LENGTH) + self.send(self.BODY), 200)
        self.assertEqual((self.done, self.channel.requests), ([Which("S")], []))

    def test_what_came_ahead_is_answered_in_its_turn(self):
        two = b"POST /it HTTP/1.1\r\n" + self.JSON + self.LENGTH + b"\r\n" + self.BODY
        answers = self.send(two, b"GET /it HTTP/1.1\r\nHost: localhost\r\n" + self.key() + b"\r\n", two)
        self.assertEqual([part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]], [b"401", b"200", b"401"])

    def test_nothing_is_read_while_the_key_is_looked_up(self):
        for found, status in ((None, 401), ((Principal("k", frozenset({"write"})), RATE), 200)):
            for framing, body in ((self.LENGTH, self.BODY), (self.CHUNKED, self.IN_CHUNKS)):
                door, asked, self.done = Deferred(), [], []

                async def bearer(*_, door=door, found=found, asked=asked, **__):
                    asked.append(1)
                    await door
                    return found

                self.patch(FakeAuthority, "bearer", bearer)
                self.connect()
                self.assertEqual(self.head(b"POST /it", self.key(), framing), b"")
                self.assertEqual(self.transport.producerState, "paused")
                # What was read along with the head.
                self.assertEqual(self.send(body[:4]), b"")
                door.callback(None)
                self.assertEqual(self.transport.producerState, "producing")
                answer = self.transport.value() + self.send(body[4:])
                self.has_status(answer, status)
                self.assertEqual((len(asked), self.edge.site.bodies.held), (1, 0))
                self.assertEqual(self.done, [Which("S")] if found else [])

    def test_one_that_asks_whether_it_may_send(self):
        """It is told to only when the body is wanted."""
        expect = b"Expect: 100-continue\r\n"
        for lines, status in (((), 401), ((self.key("nle_" + "0" * 64),), 401)):
            answer = self.head(b"POST /it", *lines, expect, self.LENGTH)
            self.has_status(answer, status)
            # It may leave the body out or not, so what comes next could be either.
            self.assertIn(b"\r\nConnection: close\r\n", answer)
            self.assertEqual(self.send(self.BODY), b"")
            self.assertTrue(self.transport.disconnecting)
            self.connect()
        answer = self.head(b"POST /large", self.key(), expect, b"Content-Length: 100001\r\n")
        self.has_status(answer, 413)
        self.connect()
        self.assertEqual(
            self.head(b"POST /it", self.key(), expect, self.LENGTH), b"HTTP/1.1 100 Continue\r\n\r\n"
        )
        answer = self.send(self.BODY)
        self.has_status(answer, 200)
        self.assertNotIn(b"Connection: close", answer)
        self.connect(LOCAL)
        self.assertEqual(self.head(b"POST /it", expect, self.LENGTH), b"HTTP/1.1 100 Continue\r\n\r\n")

    def test_one_that_is_too_long(self):
        """It is refused by what it declares, or as soon as it is too long, and no more of it is kept."""
        self.has_status(self.head(b"POST /large", self.key(), b"Content-Length: 100001\r\n"), 413)
        self.assertEqual(self.send(b" " * 100_001), b"")
        self.assertEqual(self.head(b"POST /large", self.key(), self.CHUNKED), b"")
        chunk = b"c350\r\n" + b" " * 50_000 + b"\r\n"
        self.assertEqual(self.send(chunk, chunk), b"")
        self.assertEqual(self.edge.site.bodies.held, 100_000)
        self.has_status(self.send(chunk), 413)
        self.assertEqual(self.edge.site.bodies.held, 0)
        self.assertEqual(self.send(chunk, b"0\r\n\r\n"), b"")
        self.has_status(self.head(b"POST /it", self.key(), self.LENGTH) + self.send(self.BODY), 200)

    def test_too_many_under_way(self):
        self.head(b"POST /it", self.key(), self.LENGTH)
        self.edge.site.bodies.keep(STRANGER, MOST_FROM_ONE)
        self.has_status(self.send(self.BODY[:1]), 503)
        self.assertEqual(self.edge.site.bodies.held, MOST_FROM_ONE)
        self.assertEqual(self.send(self.BODY[1:]), b"")
        self.edge.site.bodies.let_go(STRANGER, MOST_FROM_ONE)
        self.has_status(self.head(b"POST /it", self.key(), self.LENGTH) + self.send(self.BODY), 200)

    def test_a_turn(self):
        """A body that is whole is handled once others in hand leave room, also when its client has gone then."""
        for goes in (False, True):
            self.done = []
            self.connect()
            self.edge.site.bodies.take_turn(STRANGER, MOST_IN_HAND, lambda: None)
            self.head(b"POST /it", self.key(), self.LENGTH)
            self.assertEqual((self.send(self.BODY), self.done), (b"", []))
            if goes:
                self.channel.connectionLost(Failure(ConnectionDone()))
            self.edge.site.bodies.end_turn(STRANGER, MOST_IN_HAND)
            self.assertEqual(self.done, [Which("S")])
            self.assertEqual((self.edge.site.bodies.held, self.edge.site.bodies.in_hand), (0, 0))

    def test_a_client_that_goes_meanwhile(self):
        for pieces in ((), (self.BODY[:5],)):
            for line in (b"POST /it", b"PUT /of/x"):
                self.connect()
                self.head(line, self.key(), self.LENGTH)
                for piece in pieces:
                    self.send(piece)
                self.channel.connectionLost(Failure(ConnectionDone()))
                self.assertEqual((self.done, self.edge.site.bodies.held), ([], 0))
        # Answered, and gone before it has sent what nobody wants.
        self.connect()
        self.has_status(self.head(b"POST /it", self.LENGTH), 401)
        self.channel.connectionLost(Failure(ConnectionDone()))


class HangingUpTests(SynchronousTestCase):
    def begun(self, method, path, *, key=False):
        """Send a request, hang up while its key or its handler waits, and let both go on; returns what was done."""
        door, work, done = Deferred(), Deferred(), []

        async def handler(call, **_):
            await work
            done.append(call.body)

        async def bearer(*_, **__):
            await door
            return Principal("k", frozenset({"read", "write"})), RATE

        edge = Edge(endpoint(method, path.replace("X", "<name>"), handler, body=Which))
        self.patch(FakeAuthority, "bearer", bearer)
        channel = edge.site.buildProtocol(None)
        channel.makeConnection(StringTransport(peerAddress=IPv4Address("TCP", LOCAL, 1)))
        bearing = f"Authorization: Bearer {KEY}\r\n" if key else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{bearing}Content-Type: application/json\r\n"
        channel.dataReceived(head.encode() + b'Content-Length: 14\r\n\r\n{"serial":"S"}')
        channel.connectionLost(Failure(ConnectionDone()))
        door.callback(None)
        if not work.called:
            work.callback(None)
        return done

    def test_what_was_asked_for_is_done(self):
        for method, path in (("POST", "/it"), ("PUT", "/it"), ("DELETE", "/of/X"), ("POST", "/of/X")):
            for key in (False, True):
                self.assertEqual(self.begun(method, path, key=key), [Which("S")], (method, path, key))

    def test_what_is_only_read_is_let_go(self):
        for path in ("/it", "/of/X"):
            for key in (False, True):
                self.assertEqual(self.begun("GET", path, key=key), [])
