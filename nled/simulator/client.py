"""One device's connections: each request on a free one, the last one kept for the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import define, field
from twisted.internet.abstract import isIPAddress
from twisted.internet.defer import DeferredList
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory

from nled.simulator.errors import Lost
from nled.simulator.wire import Answer, Heard, Wire

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

Origin = tuple[str, int]
Connect = Callable[[str, int], IStreamClientEndpoint]


def tcp(reactor: IReactorTime) -> Connect:
    """How to reach a host and port over TCP.

    Addresses go without the resolver: it is a pool of ten threads, which thousands of devices
    would queue for.
    """

    def endpoint(host: str, port: int) -> IStreamClientEndpoint:
        if isIPAddress(host):
            return TCP4ClientEndpoint(reactor, host, port)
        return HostnameEndpoint(reactor, host, port)

    return endpoint


@define(eq=False)
class Client:
    """Sends requests for one device.

    Attributes:
        headers: header lines that go with every request, each with its CRLF.
    """

    _clock: IReactorTime
    _connect: Connect
    headers: str = ""
    _idle: dict[Origin, Wire] = field(factory=dict, init=False)
    _open: set[Wire] = field(factory=set, init=False)

    async def ask(
        self,
        method: str,
        url: str,
        body: bytes = b"",
        content_type: str = "application/json",
        *,
        deadline: float,
        heard: Heard | None = None,
    ) -> Answer:
        """Send one request and return the whole answer; ``deadline`` in seconds.

        Raises `Lost` (also when nobody listens), `Late` and `Unreadable`.
        """
        where = urlsplit(url)
        if where.scheme != "http" or not where.hostname:
            raise Lost(f"{url!r} is no http:// URL, the simulator speaks nothing else")
        origin = where.hostname, where.port or 80
        target = where.path + ("?" + where.query if where.query else "")
        head = f"{method} {target} HTTP/1.1\r\nHost: {where.netloc}\r\n{self.headers}"
        if method == "POST":
            head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        wire = self._idle.pop(origin, None) or await self._dial(origin)
        answer = await wire.ask(head.encode() + b"\r\n" + body, deadline=deadline, heard=heard)
        self._keep(origin, wire, answer)
        return answer

    async def close(self) -> None:
        """Cut every connection and wait until each has ended."""
        wires = list(self._open)
        for wire in wires:
            wire.abort()
        await DeferredList([wire.gone for wire in wires])

    async def _dial(self, origin: Origin) -> Wire:
        factory = Factory.forProtocol(lambda: Wire(self._clock))
        factory.noisy = False
        try:
            wire = await self._connect(*origin).connect(factory)
        except (ConnectError, OSError) as problem:
            raise Lost(f"no connection to {origin[0]} port {origin[1]}: {problem}") from problem
        assert isinstance(wire, Wire)
        self._open.add(wire)

        def forget(_: object) -> None:
            self._open.discard(wire)
            if self._idle.get(origin) is wire:
                del self._idle[origin]

        wire.gone.addCallback(forget)
        return wire

    def _keep(self, origin: Origin, wire: Wire, answer: Answer) -> None:
        # While a poll is held its connection is the one to keep: two for each of thousands of
        # devices would be twice the sockets for nothing.
        alone = self._open <= {wire}
        if alone and answer.header(b"connection") != b"close":
            self._idle[origin] = wire
        else:
            wire.close()
