"""One connection, as txredisapi's protocol with a deadline on each command."""

from collections import deque
from typing import Any, Protocol

import hiredis
import txredisapi
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IWriteDescriptor
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

# A transport sends what was written at the reactor's next turn. Until then the store would rest while this
# process works, and then this process while the store does: at most this many commands wait for that. Sent at
# once, `command` answers 1.4 times as many requests in a second, and costs 8 % less processor time.
_MOST_UNSENT = 8


class Owner(Protocol):
    """Who is told of a connection's beginning and end."""

    def opened(self, wire: "Wire") -> None:
        """Take note of a new connection; its `usable` is to be called if it is one to stay with."""

    def lost(self) -> None:
        """Take note that it has ended. What is in flight fails after that."""


class Wire(txredisapi.RedisProtocol):
    """Sends commands and gives each its reply or, when its time is over, a TimeoutError.

    The queue of calls is its own: it overrides `execute_command` and `replyReceived`, through which the
    library sends and takes everything. With the library's queue, and `addTimeout` for the deadlines, a
    `command` costs the daemon 23 % more processor time, and a `put` 16 % more.
    """

    def __init__(self, owner: Owner, clock: IReactorTime, deadline: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._owner = owner
        self._clock = clock
        self._deadline = deadline
        self._calls: deque[tuple[float, Deferred[Any]]] = deque()
        # One timer for the oldest call does for all: replies come in the order of the calls.
        self._timer: IDelayedCall | None = None
        self._unsent = 0
        # Hashes of those that the server was sent.
        self.scripts: set[str] = set()

    def connectionMade(self) -> None:
        """Begin. If it ends before it is `usable`, the library waits longer before the next one."""
        self._owner.opened(self)

    def usable(self) -> None:
        """Tell the library that the server is one to stay with."""
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail what is in flight."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connectionLost(reason)
        self._owner.lost()
        while self._calls:
            self.replyReceived(txredisapi.ConnectionError("Lost connection"))

    def execute_command(self, *args: str | bytes | int, **_options: Any) -> Deferred[Any]:
        """Send one command, with the deadline of the connection, as do `ping()` and the like."""
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
        """Give a reply to the oldest call."""
        _, waiting = self._calls.popleft()
        # Called already: its deadline has passed, or nobody wants it any more.
        if not waiting.called:
            if isinstance(reply, Exception):
                waiting.errback(reply)
            else:
                waiting.callback(reply)

    def tryConvertData(self, data: Any) -> Any:
        """Make texts of a reply. nled stores nothing else; a foreign value must not end the connection."""
        if isinstance(data, bytes):
            return data.decode(errors="replace")
        return [self.tryConvertData(each) for each in data] if isinstance(data, list) else data

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
