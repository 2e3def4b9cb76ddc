"""A thermostat's Settings API as protocol g.5 describes it: no JSON parser, keys compared exactly."""

import re

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.web.resource import Resource
from twisted.web.server import Site

KEY = "aB3xK9"
HOSTED = "http://192.168.1.9:80/entry"


class FakeSettings(Resource):
    """`answers` are (status, body) to give instead of its own, `packed` how they say to be packed, one for each request."""

    isLeaf = True

    def __init__(self, serial: str, url: str = HOSTED) -> None:
        super().__init__()
        self.serial = serial
        self.url = url
        self.asked: list[bytes] = []
        self.answers: list[tuple[int, bytes]] = []
        self.packed: list[bytes] = []
        self.accepted: list[bytes | None] = []

    def render(self, request):
        body = request.content.read()
        self.asked.append(body)
        self.accepted.append(request.getHeader(b"Accept-Encoding"))
        status, answer = (
            self.answers.pop(0) if self.answers else self.answer(request, body.replace(b" ", b""))
        )
        request.setResponseCode(status)
        if self.packed:
            request.setHeader(b"Content-Encoding", self.packed.pop(0))
        if status == 302:
            request.setHeader(b"Location", b"/cgi-bin/update")
        return answer

    def answer(self, request, body: bytes) -> tuple[int, bytes]:
        if request.path != b"/cgi-bin/api/settings":
            return 404, b""
        if request.method == b"GET":
            return 200, b'{"cloudregisterurl":"%s"}' % self.url.encode()
        said = {name.decode(): value.decode() for name, value in re.findall(rb'"(\w+)":"([^"]*)"', body)}
        if "initialize" in said:
            return (
                (200, b'{"api_key":"%s"}' % KEY.encode()) if said["initialize"] == self.serial else (401, b"")
            )
        if said.get("api_key") != KEY:
            return 401, b'{"status":"Invalid or Missing API Key."}'
        if not re.fullmatch(r"http://[\d.]+:\d+", said.get("endpoint", "")):
            return 400, b'{"status":"Invalid IP Address/Port."}'
        self.url = said["endpoint"] + "/entry"
        told = b'{"device_name":"Hall","status":"new","cloudregisterurl":"%s"}'
        return 200, told % self.url.encode()


def serve(test, resource: Resource, host: str = "127.0.0.1", port: int = 0) -> int:
    """Listen, for a test; returns the port."""
    site = Site(resource)
    site.noisy = False
    return _listen(test, site, host, port)


class _Babble(Protocol):
    def connectionMade(self) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 8192)


def serve_raw(test, protocol=Protocol, host: str = "127.0.0.1", port: int = 0) -> int:
    """Take connections that are answered with nothing, or as `protocol` does; returns the port."""
    factory = Factory.forProtocol(protocol)
    factory.noisy = False
    return _listen(test, factory, host, port)


def babble(test, port: int = 0) -> int:
    """Serve heads of answers without an end."""
    return serve_raw(test, _Babble, port=port)


def _listen(test, factory, host: str, port: int) -> int:
    listening = reactor.listenTCP(port, factory, interface=host)
    test.addCleanup(listening.stopListening)
    return listening.getHost().port
