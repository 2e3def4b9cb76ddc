"""HTTP below the routes: bounds on what a client may send, and bytes exactly as the protocol wants.

Twisted has no limit on bodies, lets a slow client start its clock anew with each byte, and changes
the case of header names, which the firmware scans for by hand (TRAPS.md T-W10, T-W14).
"""

from collections import Counter
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import NO_CONTENT, HTTPChannel, datetimeToString
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

# Seconds a connection may rest between requests, and a request may take from first byte to last.
PATIENCE = 75

# Bytes of bodies that are under way on all connections of a site; a storm of thermostats takes 10 MB.
MOST_IN_BODIES = 64 * 1024 * 1024
# And of those from one address, or whoever sends slowly would keep out everybody else.
MOST_FROM_ONE = MOST_IN_BODIES // 4

# Names and values of headers.
Head = tuple[tuple[bytes, bytes], ...]
_NO_HEADERS = Headers()


def _refusal(status: bytes, sentence: bytes) -> bytes:
    # Whichever key the port's clients look for (PROTOCOL.md n.5).
    body = b'{"error":"%s","message":"%s","success":false}' % (sentence, sentence)
    return (
        b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
        % (status, len(body), body)
    )


class BoundedRequest(Request):
    """A request whose body may not grow beyond what its site takes, alone or with all others."""

    channel: Any
    refused = False
    # Headers that go out with whatever is answered.
    extra: Head = ()
    _length = 0

    def gotLength(self, length: int | None) -> None:
        """Refuse a body by its declared length, before any of it is kept."""
        # Bounded as it is, the body stays in memory: a temporary file could find the disk full.
        super().gotLength(0)
        self._bound(length or 0)

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body; a body sent in chunks declares no length, so count."""
        if self.refused:
            return
        self._length += len(data)
        self.channel.site.in_bodies += len(data)
        self.channel.site.in_bodies_from[self._sender()] += len(data)
        self._bound(self._length)
        if not self.refused:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Handle the request, unless its answer has gone out already."""
        if self.refused:
            self.channel.loseConnection()
        else:
            super().requestReceived(command, path, version)

    def connectionLost(self, reason: Failure) -> None:
        """Forget the body with the connection."""
        self._forget_body()
        super().connectionLost(reason)

    def getRequestHostname(self) -> bytes:
        """Name no host: Klein would read the Host header, fail on one that is no name, and use none."""
        return b"nled"

    def process(self) -> None:
        """Hand the request to the site's root, which is a leaf.

        Twisted's own way splits the path for a tree of resources, for each request.
        """
        self.site: Any = self.channel.site
        try:
            self.render(self.site.resource)
        except BaseException:  # noqa: BLE001 - as Twisted has it; the router lets nothing through
            self.processingFailed(Failure())

    def begin(
        self, status: int, head: Head, body: bytes | None = None, content_type: bytes = b"application/json"
    ) -> None:
        """Write the head of an answer, with the names of headers exactly as they are given.

        Twisted writes them X-Nl-..., and the firmware scans for X-nl-... by hand (TRAPS.md T-W14). Without
        a `body` it follows by `write`, each call one chunk.
        """
        self.setResponseCode(status)
        self.startedWriting = 1
        lines = [
            b"HTTP/1.1 %d %b\r\nDate: %b\r\nContent-Type: %b\r\n"
            % (status, self.code_message, self.site.date(), content_type)
        ]
        if status == NO_CONTENT:
            # Neither a length nor chunks, by RFC 9110 8.6.
            pass
        elif body is not None:
            lines.append(b"Content-Length: %d\r\n" % len(body))
        elif self.clientproto == b"HTTP/1.1" and self.method != b"HEAD":
            self.chunked = 1
            lines.append(b"Transfer-Encoding: chunked\r\n")
        if not self.channel.persistent:
            lines.append(b"Connection: close\r\n")
        lines.extend(b"%b: %b\r\n" % line for line in (*head, *self.extra))
        lines.append(b"\r\n")
        if body and self.method != b"HEAD":
            lines.append(body)
        self.channel.write(b"".join(lines))

    def reply(self, status: int, head: Head, body: bytes) -> None:
        """Send a whole JSON answer and finish."""
        self.begin(status, head, body)
        self.finish()

    def finish(self) -> None:
        """Finish; a second time does nothing, since Klein finishes what failed to match once more."""
        if not self.finished:
            self._forget_body()
            super().finish()

    def travel_light(self) -> None:
        """Let go of the question, and of the head once it is written: thousands are held for minutes."""
        self._forget_body()
        if self.content is not None:
            self.content.close()
            self.content = None
        self.requestHeaders = self.responseHeaders = _NO_HEADERS
        for name in ("args", "prepath", "postpath", "sitepath", "received_cookies", "cookies"):
            self.__dict__.pop(name, None)
        # A dict keeps the room of what was taken out of it, and a copy does too.
        self.__dict__ = dict(list(self.__dict__.items()))

    def _bound(self, length: int) -> None:
        site = self.channel.site
        if length > site.most_body:
            self._refuse(
                b"413 Request Entity Too Large", b"The body may have at most %d bytes." % site.most_body
            )
        elif site.in_bodies > MOST_IN_BODIES or site.in_bodies_from[self._sender()] > MOST_FROM_ONE:
            self._refuse(b"503 Service Unavailable", b"Too many bodies are under way; try again later.")

    def _refuse(self, status: bytes, sentence: bytes) -> None:
        # The answer must not be lost to a reset of the connection, so what still comes is read and
        # dropped, for as long as the clock of the request runs.
        self.refused = True
        self._forget_body()
        self.channel.transport.write(_refusal(status, sentence))

    def _forget_body(self) -> None:
        if not self._length:
            return
        site, sender = self.channel.site, self._sender()
        site.in_bodies -= self._length
        site.in_bodies_from[sender] -= self._length
        if not site.in_bodies_from[sender]:
            del site.in_bodies_from[sender]
        self._length = 0

    def _sender(self) -> str:
        # All who come by the unix socket are one.
        return getattr(self.getClientAddress(), "host", "")


class Channel(HTTPChannel):
    """One connection."""

    transport: Any
    site: "BoundedSite"
    _idle = True
    # Whose answer is given, and not read yet.
    _unread: Request | None = None

    def connectionMade(self) -> None:
        """Count the connection."""
        super().connectionMade()
        self.site.connections += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Make room for another connection."""
        self.site.connections -= 1
        if self._unread is not None:
            self.requests.remove(self._unread)
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        """Start the clock with a request's first byte; the next ones do not start it anew."""
        if self._idle:
            self._idle = False
            self.resetTimeout()
        try:
            # Past HTTPChannel's own, which is only that reset.
            super(HTTPChannel, self).dataReceived(data)
        except ValueError:
            # A Content-Length of more digits than int() takes.
            self._respondToBadRequestAndDisconnect()

    def requestDone(self, request: Request) -> None:
        """Wait for the next request of this connection.

        Twisted would go on to those that came ahead, also if nobody reads the answers: they would pile up.
        """
        if self._waitingForTransport and self.persistent:
            self._unread = request
            self.setTimeout(self._savedTimeOut)
            return
        self._idle = True
        super().requestDone(request)

    def pauseProducing(self) -> None:
        """Read nothing from a client that does not read, which Twisted does while it handles a request."""
        super().pauseProducing()
        self._networkProducer.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on once the client has read."""
        super().resumeProducing()
        self._networkProducer.resumeProducing()
        request, self._unread = self._unread, None
        if request is not None:
            self.requestDone(request)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say why, instead of only closing."""
        del line
        self._respondToBadRequestAndDisconnect()

    def _send100Continue(self) -> None:
        if not self.requests[-1].refused:
            super()._send100Continue()

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.transport.write(_refusal(b"400 Bad Request", b"The request is not valid HTTP/1.1."))
        self.loseConnection()


class BoundedSite(Site):
    """The factory of one port's connections.

    Attributes:
        most_body: bytes a request body may have.
        most_connections: further ones are closed at once.
        access_log: whether each request is told at level debug; without query strings, which may hold
            secrets.
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
        *,
        most_body: int,
        most_connections: int,
        access_log: bool = False,
    ) -> None:
        super().__init__(
            resource, BoundedRequest, reactor=reactor, timeout=PATIENCE, parsePOSTFormSubmission=False
        )
        self.most_body = most_body
        self.most_connections = most_connections
        self.access_log = access_log
        self.connections = 0
        self.in_bodies = 0
        self.in_bodies_from: Counter[str] = Counter()
        self._date = (0, b"")

    def date(self) -> bytes:
        """Write the present second as a Date header has it."""
        second = int(self.reactor.seconds())
        if second != self._date[0]:
            self._date = (second, datetimeToString(second))
        return self._date[1]

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Take a connection, or close it at once when there are too many."""
        if self.connections >= self.most_connections:
            self._log.warn("Closing a connection from {addr}: limits.connections reached.", addr=addr)
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
