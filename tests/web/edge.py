"""A control port in memory: an Api behind its guard, with a clock, an authority and transports of the test's own."""

import json
from typing import Any

from attrs import define, field, frozen
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from nled.domain.access import Principal, Rate
from nled.web.clients import Clients
from nled.web.endpoint import Api, Endpoint
from nled.web.guard import Guard, own_names
from nled.web.site import BoundedSite

KEY = "nle_" + "0123456789abcdef" * 4
LOCAL = "127.0.0.1"
STRANGER = "203.0.113.9"
SOCKET = "socket"
# Half a second after a full minute.
NOW = 1_700_000_040_500
MINUTE_END = "2023-11-14T22:15:00.000Z"


@frozen
class Reply:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@define
class FakeAuthority:
    """Knows the keys a test gives it, and what it was asked."""

    keys: dict[str, tuple[Principal, Rate]] = field(factory=dict)
    asked: list[tuple[str, str, bool]] = field(factory=list)
    error: Exception | None = None

    async def bearer(self, text: str, address: str, *, counted: bool = True) -> tuple[Principal, Rate] | None:
        self.asked.append((text, address, counted))
        if self.error is not None:
            raise self.error
        return self.keys.get(text)


class Edge:
    """The port.

    Args:
        endpoints: what it serves beside its description.
        networks, proxies, hosts, origins, limit: as the settings have them.
    """

    def __init__(
        self,
        *endpoints: Endpoint,
        networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128"),
        proxies: tuple[str, ...] = (),
        hosts: tuple[str, ...] = (),
        origins: tuple[str, ...] = (),
        limit: int = 100,
    ) -> None:
        self.authority = FakeAuthority()
        self.guard = Guard(
            Clients(networks, proxies), self.authority, own_names("Box.lan", hosts), frozenset(origins)
        )
        self.api = Api(self.guard, lambda: NOW, limit)
        self.api.add(*endpoints)
        self.site = BoundedSite(
            self.api.root,
            Clock(),
            lambda: 0,
            most_body=256 * 1024,
            most_connections=100,
            by_head=True,
        )

    def raw(self, data: bytes, peer: str = LOCAL) -> Reply:
        """Send bytes as they are, from an address or by the unix socket."""
        channel = self.site.buildProtocol(None)
        transport = StringTransport(peerAddress=_address(peer))
        channel.makeConnection(transport)
        channel.dataReceived(data)
        head, _, body = transport.value().partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        return Reply(int(first.split(" ")[1]), dict(line.split(": ", 1) for line in lines), body)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        peer: str = LOCAL,
        key: str | None = None,
        **headers: str,
    ) -> Reply:
        """Send a request; `x_forwarded_for="..."` is that header, and a body that is not bytes becomes JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"host": "localhost", **{name.replace("_", "-"): text for name, text in headers.items()}}
        if key is not None:
            given["authorization"] = f"Bearer {key}"
        if body is not None:
            given = {"content-type": "application/json", "content-length": str(len(content))} | given
        lines = "".join(f"{name}: {text}\r\n" for name, text in given.items())
        head = f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("utf-8", "surrogateescape")
        return self.raw(head + (content if body is not None else b""), peer)

    def refused(self, *arguments: Any, **more: Any) -> tuple[int, str]:
        """Send a request that is to fail; returns the status and the sentence."""
        reply = self.ask(*arguments, **more)
        return reply.status, reply.json["error"]


def _address(peer: str) -> Any:
    if peer == SOCKET:
        return UNIXAddress("")
    return (IPv6Address if ":" in peer else IPv4Address)("TCP", peer, 50_000)
