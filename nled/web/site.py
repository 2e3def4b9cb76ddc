"""The connections of a port: how many there may be, and for how long each may keep us waiting.

Twisted lets a slow client start its clock anew with each byte.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, datetimeToString
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from nled.domain.hosts import host_of
from nled.ext.twisted import Refusing, drop_decoder, head_of
from nled.web.bodies import Bodies
from nled.web.request import BoundedRequest, refusal

# Seconds a connection may rest between requests, and a request may take from first byte to last.
PATIENCE = 75


class Channel(Refusing, HTTPChannel):
    """One connection.

    Attributes:
        sender: the address it comes from; of IPv6 the /64, which one host has all of.
    """

    transport: Any
    sender: str
    site: "BoundedSite"
    _idle = True
    # Whether the client waits for a word before it sends the body.
    _expects = False
    # Whether the client has to read before more is written to it.
    _full = False
    # Whether nothing is read until it is known whether the body is wanted.
    _held = False
    # Whose answer is given, and not read yet.
    _unread: Request | None = None

    def connectionMade(self) -> None:
        """Count the connection."""
        super().connectionMade()
        self.site.connections += 1
        # All who come by the unix socket are one.
        self.sender = host_of(getattr(self.transport.getPeer(), "host", "").removeprefix("::ffff:"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Make room for another connection."""
        self.site.connections -= 1
        if self._unread is not None:
            self.requests.remove(self._unread)
        super().connectionLost(reason)
        drop_decoder(self)

    def resetTimeout(self) -> None:
        """Start the clock with a request's first byte; the next ones do not start it anew."""
        if self._idle:
            self._idle = False
            super().resetTimeout()

    def dataReceived(self, data: bytes) -> None:
        """Refuse a Content-Length of more digits than int() takes."""
        try:
            super().dataReceived(data)
        except ValueError:
            self.refuse()

    def allHeadersReceived(self) -> None:
        """Have a request handled before its body has come, where the site is of that kind."""
        request = self.requests[-1]
        super().allHeadersReceived()
        expects, self._expects = self._expects, False
        if request.refused:
            return
        if self.site.by_head and self.length != 0:
            method, path, version = head_of(self)
            request.expects = expects and version == b"HTTP/1.1"
            request.start(method, path, version)
        elif expects and head_of(self)[-1] == b"HTTP/1.1":
            self.proceed()

    def lineReceived(self, line: bytes) -> None:
        """Refuse a folded header line, which RFC 9112 5.2 allows: servers disagree on where it belongs."""
        if line.startswith((b" ", b"\t")):
            self.refuse()
        else:
            super().lineReceived(line)

    def headerReceived(self, line: bytes) -> bool:
        """Refuse a coding of the body that is not `chunked`: Twisted overlooks `identity`, others do not.

        And keep `Expect` from Twisted, which would have the body sent whether it is wanted or not.
        """
        name, _, value = line.partition(b":")
        name = name.lower()
        if name == b"transfer-encoding" and value.strip(b" \t").lower() != b"chunked":
            self.refuse()
            return False
        if name == b"expect":
            self._expects = value.strip(b" \t").lower() == b"100-continue"
            return True
        received: bool = super().headerReceived(line)
        return received

    def requestDone(self, request: Request) -> None:
        """Wait for the next request of this connection.

        Twisted would go on to those that came ahead, also if nobody reads the answers: they would pile up.
        """
        if self._full and self.persistent:
            self._unread = request
            self.setTimeout(PATIENCE)
            return
        self._idle = True
        super().requestDone(request)

    def pauseProducing(self) -> None:
        """Read nothing from a client that does not read, which Twisted does while it handles a request."""
        self._full = True
        super().pauseProducing()
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on once the client has read."""
        self._full = False
        super().resumeProducing()
        if not self._held:
            self.transport.resumeProducing()
        request, self._unread = self._unread, None
        if request is not None:
            self.requestDone(request)

    def hold(self) -> None:
        """Read nothing until `go_on`, while it is found out whether the body that comes is wanted."""
        self._held = True
        self.transport.pauseProducing()

    def go_on(self) -> None:
        """Read on."""
        if self._held:
            self._held = False
            if not self._full:
                self.transport.resumeProducing()

    def proceed(self) -> None:
        """Tell the client that it may send the body."""
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say why, instead of only closing."""
        del line
        self.refuse()

    def refuse(self) -> None:
        """Answer what is not HTTP, and hang up."""
        self.transport.write(refusal(b"400 Bad Request", b"The request is not valid HTTP/1.1."))
        self.loseConnection()


def _nothing() -> None:
    """Do nothing."""


class BoundedSite(Site):
    """The factory of one port's connections.

    Args:
        now: ms since the epoch, for the Date header.

    Attributes:
        most_body: bytes a request body may have.
        most_connections: further ones are closed at once.
        by_head: whether requests are handled by their heads; handlers then take bodies by
            `BoundedRequest.body`.
        bodies: what is kept of those under way.
        room: whether the process can have another one at all; asked for each.
        access_log: whether each request is told at level debug; without query strings, which may hold
            secrets.

    Args:
        on_relief: called when large bodies have gone.
    """

    noisy = False
    displayTracebacks = False
    # Instead of the wrapper that could become HTTP/2: plain, smaller, and a call less for each packet.
    protocol: Any = Channel
    _log = Logger()

    def __init__(
        self,
        resource: IResource,
        reactor: Any,
        now: Callable[[], int],
        *,
        most_body: int,
        most_connections: int,
        by_head: bool = False,
        on_relief: Callable[[], None] = _nothing,
        access_log: bool = False,
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(
            resource, BoundedRequest, reactor=reactor, timeout=PATIENCE, parsePOSTFormSubmission=False
        )
        self.most_body = most_body
        self.most_connections = most_connections
        self.access_log = access_log
        self.room = room
        self.connections = 0
        self._now = now
        self.by_head = by_head
        self.bodies = Bodies(on_relief)
        self._date = (0, b"")

    def date(self) -> bytes:
        """Write the present second as a Date header has it."""
        second = self._now() // 1000
        if second != self._date[0]:
            self._date = (second, datetimeToString(second))
        return self._date[1]

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Take a connection, or close it at once when there are too many."""
        if self.connections >= self.most_connections:
            self._log.warn("Closing a connection from {addr}: limits.connections reached.", addr=addr)
            return None
        if not self.room():
            return None
        return super().buildProtocol(addr)

    def log(self, request: Any) -> None:
        """Write the access log, where it was asked for: each poll of each device is a line."""
        if self.access_log:
            self._log.debug(
                "{method} {path} {code}",
                method=request.method.decode("ascii", "replace"),
                path=request.path.decode("ascii", "replace")[:200],
                code=request.code,
            )
