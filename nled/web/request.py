"""One HTTP request: bounds on its body, and an answer of exactly the bytes that the protocol wants.

Twisted has no limit on bodies, and changes the case of header names, which the firmware scans for by hand.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.http import NO_CONTENT
from twisted.web.http_headers import Headers
from twisted.web.server import Request

from nled.domain.errors import Full, TooLarge
from nled.ext.twisted import begin_answer, forget_question
from nled.web.bodies import Bodies, weight

# Names and values of headers.
Head = tuple[tuple[bytes, bytes], ...]
_NO_HEADERS = Headers()
_UNKNOWN_TO_TWISTED = {429: b"Too Many Requests"}
_CROWDED = "Too many bodies are under way; try again later."
# What is known of the body.
_OF_THE_BODY = ("_declared", "_length", "_weight", "_counted", "_ready")


def refusal(status: bytes, sentence: bytes) -> bytes:
    """Write a whole answer that ends the connection."""
    # Whichever key the port's clients look for (protocol n.5).
    body = b'{"error":"%s","message":"%s","success":false}' % (sentence, sentence)
    return (
        b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
        % (status, len(body), body)
    )


class BoundedRequest(Request):
    """A request whose body may not grow beyond what its site takes, alone or with all others."""

    channel: Any
    # Whether its handler goes on when its client hangs up: a program may send a command and go, and of what
    # takes several steps no half may be left.
    to_the_end = False
    # What is cancelled when the client hangs up.
    handling: Deferred[None] | None = None
    # Whether its client has gone.
    gone = False
    refused = False
    # Whether the client waits to be told that it may send the body.
    expects = False
    # Headers that go out with whatever is answered.
    extra: Head = ()
    # Bytes of the body that are announced, that are kept, and where these are counted.
    _declared = 0
    _length = 0
    _counted: tuple[Bodies, str] | None = None
    # What it takes while it is handled.
    _weight = 0
    # Whether the request is handled by its head, while its body is on its way; whether that is there, and may
    # be handled; what it is; how much of it is taken, and why not more; who waits for it; whether the answer
    # was quicker.
    _ahead = False
    _whole = False
    _ready = False
    _body = b""
    _most: int | None = None
    _trouble: Exception | None = None
    _waiter: Deferred[None] | None = None
    _answered = False

    def gotLength(self, length: int | None) -> None:
        """Refuse a body by its declared length, before any of it is kept."""
        # Bounded as it is, the body stays in memory: a temporary file could find the disk full.
        super().gotLength(0)
        self._declared = length or 0
        self._bound(self._declared)

    def start(self, command: bytes, path: bytes, version: bytes) -> None:
        """Handle the request by its head alone: who may not send it is told before its body is read."""
        self._ahead = True
        super().requestReceived(command, path, version)
        if self._waiter is None and not self.startedWriting:
            self.channel.hold()

    async def body(self, most: int) -> bytes:
        """Take the body of a request that is handled by its head.

        Raises:
            TooLarge: it has more than `most` bytes.
            Full: too many bodies are under way.
            CancelledError: the client went before it had sent all.
        """
        self._most = most
        if not self._whole and self.gone:
            raise CancelledError
        self._see_to_length(max(self._declared, self._length), most)
        if self._trouble is not None:
            raise self._trouble
        if not self._ready:
            self._waiter = Deferred()
            if not self._whole:
                self.channel.go_on()
                if self.expects:
                    self.expects = False
                    self.channel.proceed()
            await self._waiter
        body, self._body = self._body, b""
        return body

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body; a body sent in chunks declares no length, so count."""
        if self.refused or self._trouble is not None or self.startedWriting:
            return
        bodies, sender = self._counted = self.channel.site.bodies, self.channel.sender
        self._length += len(data)
        bodies.keep(sender, len(data))
        if not self._ahead:
            self._bound(self._length)
        elif bodies.too_many(sender):
            self._give_up(Full(_CROWDED))
        else:
            self._see_to_length(self._length, self._most)
        if self._counted is not None:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Handle the request, or give its body to who handles it, unless its answer has gone out already."""
        if self.refused:
            self.channel.loseConnection()
            return
        self._whole = True
        if not self._ahead:
            self._ready = True
            if self._length:
                assert self.content is not None
                go = partial(super().requestReceived, command, path, version)
                self._take_turn(self.content.getvalue(), go)
            else:
                super().requestReceived(command, path, version)
        elif self._answered:
            super().finish()
        elif not self.startedWriting and self._trouble is None:
            assert self.content is not None
            # No copy; and a client that hangs up now does not take it along.
            self._body = self.content.getvalue()
            self.content.close()
            if self._length:
                self._take_turn(self._body, self._hand_over)
            else:
                self._hand_over()

    def connectionLost(self, reason: Failure) -> None:
        """Forget the body with the connection, unless it is whole and somebody takes it."""
        self.gone = True
        taken = self._ahead and self._whole
        if not taken:
            self.release()
        super().connectionLost(reason)
        if self.handling is not None and not self.to_the_end:
            self.handling.cancel()
        if not taken:
            self._tell_waiter(CancelledError())

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

        Twisted writes them X-Nl-..., and the firmware scans for X-nl-... by hand. Without
        a `body` it follows by `write`, each call one chunk.
        """
        self.setResponseCode(status, _UNKNOWN_TO_TWISTED.get(status))
        if self._ahead and not self._whole:
            # What still comes is read and dropped. A client that was not told to send it may leave it out:
            # where its next request begins would be in doubt.
            if self.expects:
                self.channel.persistent = 0
            self.channel.go_on()
        lines = [
            b"HTTP/1.1 %d %b\r\nDate: %b\r\nContent-Type: %b\r\n"
            % (status, self.code_message, self.site.date(), content_type)
        ]
        chunked = False
        if status == NO_CONTENT:
            # Neither a length nor chunks, by RFC 9110 8.6.
            pass
        elif body is not None:
            lines.append(b"Content-Length: %d\r\n" % len(body))
        elif self.clientproto == b"HTTP/1.1" and self.method != b"HEAD":
            chunked = True
            lines.append(b"Transfer-Encoding: chunked\r\n")
        if not self.channel.persistent:
            lines.append(b"Connection: close\r\n")
        lines.extend(b"%b: %b\r\n" % line for line in (*head, *self.extra))
        lines.append(b"\r\n")
        if body and self.method != b"HEAD":
            lines.append(body)
        begin_answer(self, b"".join(lines), chunked=chunked)

    def reply(self, status: int, head: Head, body: bytes) -> None:
        """Send a whole JSON answer and finish."""
        self.begin(status, head, body)
        self.finish()

    def finish(self) -> None:
        """Finish, once the body has come to its end; a second time does nothing."""
        if self.finished or self._answered:
            return
        self.release()
        if self._ahead and not self._whole:
            self._answered = True
        else:
            super().finish()

    def travel_light(self) -> None:
        """Let go of the question, and of the head once it is written: thousands are held for minutes."""
        self.release()
        if self.content is not None:
            self.content.close()
            self.content = None
        self.requestHeaders = self.responseHeaders = _NO_HEADERS
        forget_question(self, _OF_THE_BODY)

    def release(self) -> None:
        """Count the body as gone; a second time does nothing."""
        if self._counted is not None:
            bodies, sender = self._counted
            length, size = self._length, self._weight
            self._length, self._weight, self._counted = 0, 0, None
            bodies.let_go(sender, length)
            if size:
                bodies.end_turn(sender, size)

    def _take_turn(self, body: bytes, go: Callable[[], None]) -> None:
        assert self._counted is not None
        bodies, sender = self._counted
        size = weight(body)

        def begin() -> None:
            if self._counted is None:
                # The client has gone, or was answered without it.
                bodies.end_turn(sender, size)
            else:
                self._weight = size
                go()

        bodies.take_turn(sender, size, begin)

    def _hand_over(self) -> None:
        self._ready = True
        self._tell_waiter(None)

    def _bound(self, length: int) -> None:
        site = self.channel.site
        if length > site.most_body:
            self._refuse(
                b"413 Request Entity Too Large", b"The body may have at most %d bytes." % site.most_body
            )
        elif site.bodies.too_many(self.channel.sender):
            self._refuse(b"503 Service Unavailable", _CROWDED.encode())

    def _refuse(self, status: bytes, sentence: bytes) -> None:
        # The answer must not be lost to a reset of the connection, so what still comes is read and
        # dropped, for as long as the clock of the request runs.
        self.refused = True
        self._drop()
        self.channel.transport.write(refusal(status, sentence))

    def _see_to_length(self, length: int, most: int | None) -> None:
        most = self.site.most_body if most is None else most
        if length > most:
            self._give_up(TooLarge(f"The body may have at most {most} bytes here."))

    def _give_up(self, trouble: Exception) -> None:
        self._trouble = trouble
        self._drop()
        self._tell_waiter(trouble)

    def _drop(self) -> None:
        assert self.content is not None
        self.content.close()
        self.release()

    def _tell_waiter(self, trouble: Exception | None) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.called:
            return
        if trouble is None:
            waiter.callback(None)
        else:
            waiter.errback(trouble)
