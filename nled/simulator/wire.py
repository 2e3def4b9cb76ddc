"""HTTP/1.1 heard as the firmware hears it: raw bytes, each piece with the moment it came.

A usual HTTP client hides just what a strict thermostat has to see: where one chunk ends, how a
header name is written, when each piece arrived.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone

from nled.simulator.errors import Late, Lost, Unreadable

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
    from twisted.python.failure import Failure

LONGEST_ANSWER = 1 << 20
"""Bytes waiting to be understood; a thermostat has no more room than this either."""


@frozen
class Chunk:
    """One HTTP chunk, or the one body of an answer with Content-Length; ``at`` in seconds."""

    data: bytes
    at: float


@define(eq=False)
class Answer:
    """One answer as it came, possibly still coming.

    Header names are kept as written. Moments are seconds of the injected clock; ``status`` is 0
    until the headers are in, ``whole`` is true once the final chunk or the last byte came.
    """

    sent_at: float
    _wire: Wire
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(factory=list)
    headers_at: float = 0.0
    chunks: list[Chunk] = field(factory=list)
    ended_at: float = 0.0
    whole: bool = False

    @property
    def chunked(self) -> bool:
        """Whether the answer came as ``Transfer-Encoding: chunked``."""
        return self.header(b"transfer-encoding") == b"chunked"

    @property
    def body(self) -> bytes:
        """What has come of the body until now."""
        return b"".join(chunk.data for chunk in self.chunks)

    def header(self, name: bytes) -> bytes | None:
        """The first value of the header with this lower-case name."""
        return next((value for written, value in self.headers if written.lower() == name), None)

    def expire_in(self, seconds: float) -> None:
        """Give the rest of the answer this long; after that it has failed."""
        self._wire.expire_in(seconds)

    def drop(self) -> None:
        """Cut the connection without a word, as a device that lost its Wi-Fi."""
        self._wire.abort()


Heard = Callable[[Answer], None]
_Parser = Generator[bytes | int, bytes, None]


class Wire(Protocol):
    """One connection to the server, asking one thing at a time.

    ``gone`` fires when the connection has ended.
    """

    transport: ITCPTransport | None

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._buffer = b""
        self._parser: _Parser | None = None
        self._want: bytes | int = b""
        self._answer: Answer | None = None
        self._done: Deferred[Answer] | None = None
        self._timer: IDelayedCall | None = None
        self._heard: Heard = _ignore
        self.gone: Deferred[None] = Deferred()

    def ask(self, request: bytes, *, deadline: float, heard: Heard | None = None) -> Deferred[Answer]:
        """Send one request; fires with the whole answer.

        Args:
            request: head and body, as they go out.
            deadline: seconds for the whole answer; `Answer.expire_in` sets it anew.
            heard: called after each piece that arrives once the headers are in.

        Fails with `Lost`, `Late` or `Unreadable`; cancelling it cuts the connection.
        """
        assert self.transport is not None
        self._done = Deferred(self._cancelled)
        self._heard = heard or _ignore
        self._answer = Answer(self._clock.seconds(), self)
        self._parser = _parse(self._answer, self._clock)
        self._want = next(self._parser)
        self.expire_in(deadline)
        self.transport.write(request)
        return self._done

    def expire_in(self, seconds: float) -> None:
        """(Re)start the one timer of this connection."""
        self._stop_timer()
        self._timer = self._clock.callLater(seconds, self._expired, seconds)

    def abort(self) -> None:
        """Cut the connection at once."""
        assert self.transport is not None
        self.transport.abortConnection()

    def close(self) -> None:
        """End the connection in good order."""
        assert self.transport is not None
        self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Collect, parse what is complete, tell who listens."""
        self._buffer += data
        try:
            self._parse_on()
        except Unreadable as problem:
            self._fail(problem)
            self.abort()
            return
        if self._answer is not None and self._answer.status:
            self._heard(self._answer)
        if self._answer is not None and self._answer.whole:
            self._finish()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Whatever was being answered is lost."""
        self._fail(Lost(reason.getErrorMessage()))
        self.gone.callback(None)

    def _parse_on(self) -> None:
        while self._parser is not None:
            if isinstance(self._want, int):
                end = self._want if len(self._buffer) >= self._want else -1
            else:
                found = self._buffer.find(self._want)
                end = found + len(self._want) if found >= 0 else -1
            if end < 0:
                break
            piece, self._buffer = self._buffer[:end], self._buffer[end:]
            try:
                self._want = self._parser.send(piece)
            except StopIteration:
                self._parser = None
        if self._buffer and self._parser is None:
            raise Unreadable(f"bytes nobody asked for: {self._buffer[:40]!r}")
        if len(self._buffer) > LONGEST_ANSWER:
            raise Unreadable(f"more than {LONGEST_ANSWER} bytes in one piece")

    def _finish(self) -> None:
        assert self._answer is not None
        done, self._done, answer, self._answer = self._done, None, self._answer, None
        answer.ended_at = self._clock.seconds()
        self._stop_timer()
        if done is not None:
            done.callback(answer)

    def _fail(self, problem: Exception) -> None:
        self._stop_timer()
        if self._answer is not None:
            self._answer.ended_at = self._clock.seconds()
        done, self._done, self._answer, self._parser = self._done, None, None, None
        if done is not None:
            done.errback(problem)

    def _cancelled(self, _done: Deferred[Answer]) -> None:
        # Nobody waits any more: the loss that follows must not be told in place of the cancelling.
        self._done = None
        self.abort()

    def _expired(self, seconds: float) -> None:
        self._timer = None
        # How long a held poll may last is for its listener to judge, who saw the headers.
        kind = Lost if self._answer is not None and self._answer.chunked else Late
        self._fail(kind(f"no end of the answer within {seconds:.3g} s"))
        self.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _ignore(_: Answer) -> None:
    """Listen to nothing."""


def _parse(answer: Answer, clock: IReactorTime) -> _Parser:
    """Parse one answer: yields a delimiter or a length, is sent the bytes up to and with it."""
    head = yield b"\r\n\r\n"
    status_line, *lines = head[:-4].split(b"\r\n")
    status = re.fullmatch(rb"HTTP/1\.1 ([2-5]\d\d) [\x20-\x7e]*", status_line)
    if not status:
        raise Unreadable(f"status line {status_line[:40]!r}")
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not re.fullmatch(rb"[!-~]+", name) or b"\n" in value:
            raise Unreadable(f"header line {line[:40]!r}")
        answer.headers.append((name, value.strip()))
    answer.status = int(status[1])
    answer.headers_at = clock.seconds()
    length = answer.header(b"content-length")
    if answer.chunked:
        if length is not None:
            raise Unreadable("both Content-Length and Transfer-Encoding: chunked")
        while data := (yield from _parse_chunk()):
            answer.chunks.append(Chunk(data, clock.seconds()))
    elif length is not None and re.fullmatch(rb"\d{1,9}", length):
        body = yield int(length)
        answer.chunks.append(Chunk(body, clock.seconds()))
    else:
        raise Unreadable("neither a Content-Length nor chunked")
    answer.whole = True


def _parse_chunk() -> Generator[bytes | int, bytes, bytes]:
    size = (yield b"\r\n")[:-2]
    if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", size):
        raise Unreadable(f"chunk size {size[:40]!r}")
    data = yield int(size, 16) + 2
    if not data.endswith(b"\r\n"):
        raise Unreadable(f"chunk of {int(size, 16)} bytes does not end where it says")
    return data[:-2]
