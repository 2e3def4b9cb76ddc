"""One HTTP request: bounds on its body, and an answer of exactly the bytes that the protocol wants.

Twisted has no limit on bodies, and changes the case of header names, which the firmware scans for by hand
(TRAPS.md T-W10, T-W14).
"""

from typing import Any

from twisted.python.failure import Failure
from twisted.web.http import NO_CONTENT
from twisted.web.http_headers import Headers
from twisted.web.server import Request

# Bytes of bodies that are under way on all connections of a site; a storm of thermostats takes 10 MB.
MOST_IN_BODIES = 64 * 1024 * 1024
# And of those from one address, or whoever sends slowly would keep out everybody else.
MOST_FROM_ONE = MOST_IN_BODIES // 4

# Names and values of headers.
Head = tuple[tuple[bytes, bytes], ...]
_NO_HEADERS = Headers()


def refusal(status: bytes, sentence: bytes) -> bytes:
    """Write a whole answer that ends the connection."""
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
        self.channel.site.in_bodies_from[self.channel.sender] += len(data)
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
        elif site.in_bodies > MOST_IN_BODIES or site.in_bodies_from[self.channel.sender] > MOST_FROM_ONE:
            self._refuse(b"503 Service Unavailable", b"Too many bodies are under way; try again later.")

    def _refuse(self, status: bytes, sentence: bytes) -> None:
        # The answer must not be lost to a reset of the connection, so what still comes is read and
        # dropped, for as long as the clock of the request runs.
        self.refused = True
        self._forget_body()
        self.channel.transport.write(refusal(status, sentence))

    def _forget_body(self) -> None:
        if not self._length:
            return
        site, sender = self.channel.site, self.channel.sender
        site.in_bodies -= self._length
        site.in_bodies_from[sender] -= self._length
        if not site.in_bodies_from[sender]:
            del site.in_bodies_from[sender]
        self._length = 0
