"""A server in memory that writes exactly the bytes it is told to, at the moments it is told to."""

import json

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from nled.simulator import Thermostat
from nled.simulator.rules import ENTRY_KEYS

SERIAL = "02AA01AC00000001"
NOW = 1_800_000_000
END = b"0\r\n\r\n"
CLOSE = "close"


def http(body, *, headers=(), status=200):
    """A whole answer with a Content-Length."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [b"Content-Type: application/json", b"Content-Length: %d" % len(raw), *headers]
    return b"HTTP/1.1 %d Whatever\r\n" % status + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + raw


def nl_headers(now=NOW, suspend=300):
    return (
        b"X-nl-service-timestamp: %d" % (now * 1000),
        b"X-nl-suspend-time-max: %d" % suspend,
        b"X-nl-defer-device-window: 15",
    )


def poll_head(*headers):
    lines = headers or (b"Content-Type: application/json", b"Transfer-Encoding: chunked", *nl_headers())
    return b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def chunk(raw):
    return b"%x\r\n%s\r\n" % (len(raw), raw)


def pushed(timestamp, key=f"shared.{SERIAL}", *, revision=9, **fields):
    entry = {"object_revision": revision, "object_timestamp": timestamp, "object_key": key, "value": fields}
    return json.dumps({"objects": [entry]}).encode()


def entry_urls(origin="http://nled.test:8000"):
    ends = ["transport"] * 3 + ["passphrase", "transport", "pro_info", "weather/v1?query=", "upload"]
    urls = [f"{origin}/nest/{end}" for end in ends]
    return dict(zip(ENTRY_KEYS, [*urls, "", "1.0.1", "local"], strict=True))


def receipts(request):
    """What a server answers to a PUT: the revision after the one that was named, a fresh timestamp."""
    body = json.loads(request.body)
    entries = body.pop("objects", None) or [entry for entry in body.values() if isinstance(entry, dict)]
    receipt = []
    for entry in entries:
        revision = entry.get("base_object_revision", entry.get("if_object_revision")) + 1
        receipt.append((revision, NOW * 1000 + 1000 * request.number, entry["object_key"]))
    names = ("object_revision", "object_timestamp", "object_key")
    return {"objects": [dict(zip(names, each, strict=True)) for each in receipt]}


@define
class Request:
    number: int
    method: str
    path: str
    head: bytes
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@define(eq=False)
class Server:
    """Answers by the last word of the path.

    ``answers`` holds per word bytes, a function of the request, or a list of steps for a poll:
    bytes to write, seconds to wait, `CLOSE`.
    """

    clock: Clock
    requests: list = field(factory=list)
    lines: set = field(factory=set)
    refuse: bool = False
    answers: dict = field(factory=dict)

    def __attrs_post_init__(self):
        self.answers = {
            "entry": http(entry_urls()),
            "passphrase": lambda _request: http({"value": "A3XR7M2", "expires": self.ms(3600)}),
            "status": lambda _request: http(
                {"status": "pending", "claimed": False, "expiresAt": self.ms(3600)}
            ),
            "put": lambda request: http(receipts(request), headers=self.headers()),
            "device": lambda _request: http({"objects": []}, headers=self.headers()),
            "subscribe": lambda _request: [
                poll_head(b"Content-Type: application/json", b"Transfer-Encoding: chunked", *self.headers()),
                290.0,
                END,
            ],
        }

    def ms(self, ahead=0):
        return int(self.clock.seconds() + ahead) * 1000

    def headers(self):
        return nl_headers(now=int(self.clock.seconds()))

    def __call__(self, _host, _port):
        return self

    def connect(self, factory):
        if self.refuse:
            return fail(ConnectError())
        line = Line(self, factory.buildProtocol(None))
        self.lines.add(line)
        line.protocol.makeConnection(line)
        return succeed(line.protocol)

    def paths(self):
        return [f"{request.method} {request.path}" for request in self.requests]

    def of(self, word):
        return [request for request in self.requests if request.path.endswith(word)]


@define(eq=False)
class Line:
    """One connection: the transport of the client's protocol, and the server's side of it."""

    server: Server
    protocol: object
    lost: bool = False
    call: object = None

    def write(self, data):
        head, _, body = data.partition(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        request = Request(len(self.server.requests), method, path, head, body)
        self.server.requests.append(request)
        answer = self.server.answers[path.rsplit("/", 1)[-1].partition(".")[0]]
        answer = answer(request) if callable(answer) else answer
        # Never within write: a real socket does not answer before the writer has returned.
        self.call = self.server.clock.callLater(
            0, self.play, list(answer) if isinstance(answer, list) else [answer]
        )

    def play(self, steps):
        while steps and not self.lost:
            step = steps.pop(0)
            if step == CLOSE:
                self.loseConnection()
            elif isinstance(step, bytes):
                self.protocol.dataReceived(step)
            else:
                self.call = self.server.clock.callLater(step, self.play, steps)
                return

    def loseConnection(self):
        if not self.lost:
            self.lost = True
            if self.call is not None and self.call.active():
                self.call.cancel()
            self.server.lines.discard(self)
            self.protocol.connectionLost(Failure(ConnectionDone()))

    abortConnection = loseConnection


class DeviceMixin:
    """Gives a test a clock, a server that keeps every rule, and a thermostat."""

    def setUp(self):
        self.clock = Clock()
        self.clock.rightNow = float(NOW)
        self.server = Server(self.clock)
        self.events = []
        self.device = self.make_device()

    def make_device(self, **changes):
        settings = {"serial": SERIAL, "activity": 0, "connect": self.server, "claim_polls": 1} | changes
        observer = lambda *event: self.events.append(event)  # noqa: E731
        # Nothing steps here: one clock is both.
        wall = lambda: int(self.clock.seconds() * 1000)  # noqa: E731
        return Thermostat(self.clock, "http://nled.test:8000", on_event=observer, now=wall, **settings)

    def finish(self, coroutine, limit=1000.0):
        """Let time pass from one thing to the next until the coroutine has ended."""
        return self.until(Deferred.fromCoroutine(coroutine), limit)

    def until(self, waiting, limit=1000.0):
        results = []
        waiting.addBoth(results.append)
        end = self.clock.seconds() + limit
        while not results:
            calls = self.clock.getDelayedCalls()
            assert calls, "nothing more will happen"
            self.clock.advance(max(0.0, min(call.getTime() for call in calls) - self.clock.seconds()))
            assert self.clock.seconds() <= end, "this takes too long"
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]
