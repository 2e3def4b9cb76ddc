"""The protocol of the connection that carries the commands: the shortest way to the server and back."""

from collections import deque
from typing import Any

import hiredis
import txredisapi
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IWriteDescriptor
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from nled.store.replies import Replies

# A transport sends what was written at the reactor's next turn. Until then the store would rest while this
# process works, and then this process while the store does: so many commands at most wait for that.
_MOST_UNSENT = 8


class Wire(Replies):
    """Sends commands and gives each its reply or, when its time is over, a TimeoutError.

    The library makes two Deferreds and five callbacks of a command, and a deadline by addTimeout would
    add a timer: this costs a quarter of that. AUTH and SELECT come before the first call and take the
    library's way.
    """

    def __init__(self, clock: IReactorTime, deadline: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock = clock
        self._deadline = deadline
        self._calls: deque[tuple[float, Deferred[Any]]] = deque()
        # One timer for the oldest call does for all: replies come in the order of the calls.
        self._timer: IDelayedCall | None = None
        self._unsent = 0
        # Hashes of those that the server was sent.
        self.scripts: set[str] = set()

    def ask(self, *args: str | bytes | int) -> Deferred[Any]:
        """Send one command, with the deadline of the connection."""
        return self.call(args, self._clock.seconds() + self._deadline)

    def call(self, args: tuple[str | bytes | int, ...], expires: float) -> Deferred[Any]:
        """Send one command; fails with TimeoutError at the time `expires`.

        What was sent cannot be taken back: after an error it may have run or not.
        """
        # Before the queue grows: what cannot be packed must not wait for a reply.
        packed = hiredis.pack_command(args)  # type: ignore[arg-type] # its stub is wrong
        reply: Deferred[Any] = Deferred()
        if not self.connected:
            reply.errback(txredisapi.ConnectionError("Lost connection"))
            return reply
        self._calls.append((expires, reply))
        self.transport.write(packed)
        self._unsent += 1
        if self._unsent >= _MOST_UNSENT or len(self._calls) == 1:
            self._send_now()
        if self._timer is None:
            self._watch(expires)
        return reply

    def replyReceived(self, reply: Any) -> None:
        """Take one reply from the parser."""
        if not self._calls:
            super().replyReceived(reply)
            return
        _, waiting = self._calls.popleft()
        # Called already: its deadline has passed, or nobody wants it any more.
        if not waiting.called:
            if isinstance(reply, Exception):
                waiting.errback(reply)
            else:
                waiting.callback(reply)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail what is in flight."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connectionLost(reason)
        while self._calls:
            self.replyReceived(txredisapi.ConnectionError("Lost connection"))

    def _send_now(self) -> None:
        self._unsent = 0
        # TLS has no such thing. An error is met again, and dealt with, at the reactor's next turn.
        if IWriteDescriptor.providedBy(self.transport):
            self.transport.doWrite()

    def _watch(self, expires: float) -> None:
        self._timer = self._clock.callLater(max(0, expires - self._clock.seconds()), self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for expires, waiting in tuple(self._calls):
            if expires > now:
                self._watch(expires)
                break
            if not waiting.called:
                waiting.errback(defer.TimeoutError())
