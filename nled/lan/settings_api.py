"""A thermostat's own Settings API: where it looks for its server, asked and told (protocol g.5).

The other end is whatever answers at that address: how much it may say and how long it may take is bounded
on the connection, and redirects are not followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from attrs import define, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.iweb import IAgent
from zope.interface import implementer

from nled.domain.errors import Silent, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Address

    from twisted.internet.interfaces import IProtocolFactory
    from twisted.web.http_headers import Headers
    from twisted.web.iweb import IBodyProducer, IResponse

PORT = 8080
_PATH = "/cgi-bin/api/settings"
# Head and body of an answer; a real one has some 300 bytes.
_MOST_BYTES = 4096
_LONGEST_URL = 200


@frozen
class Reply:
    """What the thermostat answered: a status, and the content if it was a JSON object."""

    status: int
    content: Mapping[str, Any] | None

    def text(self, name: str) -> str | None:
        """Return a field that is a printable text of bounded length, else None."""
        value = (self.content or {}).get(name)
        good = isinstance(value, str) and 0 < len(value) <= _LONGEST_URL and value.isprintable()
        return value if good else None


@frozen
class SettingsApi:
    """The client; each call is a connection of its own.

    Every one raises Unreachable when there is no such API, and Silent when it does not answer.

    Attributes:
        port: always 8080, but in tests.
        connect, total: seconds for the connection and for all of it.
    """

    reactor: Any
    port: int = PORT
    connect: float = 2.0
    total: float = 4.0

    async def register_url(self, ip: IPv4Address) -> str | None:
        """Return where a thermostat looks for its server, None from anything else."""
        reply = await self._ask(ip, None)
        return reply.text("cloudregisterurl") if reply.status == 200 else None  # noqa: PLR2004

    async def initialize(self, ip: IPv4Address, serial: str) -> str | None:
        """Ask for the API key, which a thermostat tells who knows its serial; None from another."""
        reply = await self._ask(ip, {"initialize": serial})
        return reply.text("api_key") if reply.status == 200 else None  # noqa: PLR2004

    async def configure(self, ip: IPv4Address, api_key: str, endpoint: str) -> Reply:
        """Point a thermostat to the server at an origin, `http://IPv4:port`."""
        return await self._ask(ip, {"api_key": api_key, "endpoint": endpoint})

    async def _ask(self, ip: IPv4Address, body: dict[str, str] | None) -> Reply:
        line = _Line(TCP4ClientEndpoint(self.reactor, str(ip), self.port, timeout=self.connect))
        url = f"http://{ip}:{self.port}{_PATH}"
        end = self.reactor.callLater(self.total, line.cut)
        try:
            return await _exchange(self.reactor, line, url, body)
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 - whatever it may be that answers there, it is no thermostat
            if end.active():
                where = f"{ip} port {self.port}"
                sentence = f"Connection failed: no thermostat's settings at {where}; see that it is there."
                raise Unreachable(sentence) from None
            sentence = f"{ip} took the connection but did not answer within {self.total:g} s; try again."
            raise Silent(sentence) from None
        finally:
            if end.active():
                end.cancel()
            line.cut()


async def _exchange(reactor: Any, line: _Line, url: str, body: dict[str, str] | None) -> Reply:
    # Not before somebody looks for thermostats: the client side of HTTP is some megabytes.
    from treq.client import HTTPClient  # noqa: PLC0415
    from treq.content import collect  # noqa: PLC0415
    from twisted.web.client import Agent, HTTPConnectionPool  # noqa: PLC0415
    from twisted.web.http_headers import Headers  # noqa: PLC0415

    pool = HTTPConnectionPool(reactor, persistent=False)
    client = HTTPClient(_Plain(Agent.usingEndpointFactory(reactor, line, pool=pool)))
    response = await client.request(
        "GET" if body is None else "POST",
        url,
        data=None if body is None else msgspec.json.encode(body),
        headers=Headers({b"Content-Type": [b"application/json"]}),
        allow_redirects=False,
        unbuffered=True,
        reactor=reactor,
    )
    parts: list[bytes] = []
    await collect(response, parts.append)
    return Reply(response.code, _object(b"".join(parts)))


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        content = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


@implementer(IStreamClientEndpoint)
@define
class _Line:
    """The way to one thermostat, for one question: cut when it says too much, or is done."""

    _endpoint: TCP4ClientEndpoint
    _connection: _Counted | None = None

    def endpointForURI(self, _uri: object) -> _Line:
        """Lead an agent here, whatever the URL."""
        return self

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, and count from then on."""
        counting = _Counting(factory)  # type: ignore[no-untyped-call]
        return self._endpoint.connect(counting).addCallback(self._connected)

    def cut(self) -> None:
        """End the connection if there is one."""
        if self._connection is not None:
            self._connection.abortConnection()

    def _connected(self, connection: Any) -> IProtocol:
        self._connection = connection
        inner: IProtocol = connection.wrappedProtocol
        return inner


@implementer(IAgent)
@frozen
class _Plain:
    """An agent that asks for no packed answers, and passes one on as if it were not packed.

    treq would unpack it, as often as its head says, and 4 KiB can be packed from gigabytes.
    """

    agent: Any

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Send a request."""
        if headers is not None:
            headers.removeHeader(b"Accept-Encoding")
        asked: Deferred[IResponse] = self.agent.request(method, uri, headers, bodyProducer)
        return asked.addCallback(_as_it_came)


def _as_it_came(response: Any) -> IResponse:
    response.headers.removeHeader(b"Content-Encoding")
    answer: IResponse = response
    return answer


class _Counted(ProtocolWrapper):
    """A connection that ends when more comes in than any thermostat says."""

    _received = 0

    def dataReceived(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > _MOST_BYTES:
            self.abortConnection()
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]


class _Counting(WrappingFactory):
    protocol = _Counted
    noisy = False
