"""One connection to the store that comes back by itself, whatever ended it."""

from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial
from typing import Any, Final

import txredisapi
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from nled.store.address import Address
from nled.store.errors import Reason, StoreUnavailable, StoreUnsuitable, reason_of
from nled.store.redis.greeting import greet
from nled.store.redis.wire import Wire

_HEARTBEAT: Final = 5.0
_CLOSED: Final = "The store is closed because nled stops."


class State(Enum):
    """Where a Link is between its start and its end."""

    NEW = "not started"
    CONNECTING = "connecting, or waiting to try again"
    GREETING = "connected; asks whether the server is ready"
    READY = "in use"
    DROPPED = "given up; the connection is about to end"
    STOPPED = "stopped for good"


# What may come after what. Anything else came too late, and changes nothing.
NEXT: Final = {
    State.NEW: {State.CONNECTING, State.STOPPED},
    State.CONNECTING: {State.GREETING, State.STOPPED},
    State.GREETING: {State.READY, State.DROPPED, State.CONNECTING, State.STOPPED},
    State.READY: {State.DROPPED, State.CONNECTING, State.STOPPED},
    State.DROPPED: {State.CONNECTING, State.STOPPED},
    State.STOPPED: set[State](),
}


class Link:
    """Keeps a connection whose server is ready to work, and says why there is none.

    txredisapi connects, and less and less often while that fails. Each connection is greeted before it is
    used. Then it is sent `beat` at an interval, since one whose other end vanished says nothing by itself.
    An owner that always asks something needs no `beat`, and calls `failed`.

    Attributes:
        state: Where it is.
        reason: Why there is no usable connection.

    Args:
        deadline: seconds for each command of the greeting and each `beat`.
        greet: what else has to go well before the connection is used.
        changed: called whenever `live` or `reason` may have changed, but not by `stop`.
        beaten: called with each answer to a `beat`: the text of an error, None for any other.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        address: Address,
        *,
        deadline: float,
        greet: Callable[[Wire], Awaitable[None]] | None = None,
        changed: Callable[[], None] = lambda: None,
        beat: tuple[str, ...] | None = ("PING",),
        beaten: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self.state = State.NEW
        self.reason = Reason("away", f"The store at {address} was not asked yet.", "Wait.")
        self._reactor = reactor
        self._address = address
        self._deadline = deadline
        self._greet_further = greet
        self._changed = changed
        self._beat_by = beat
        self._beaten = beaten
        # More than one connection would reorder commands; and a text like "007" must stay one.
        self._factory = txredisapi.RedisFactory(None, None, 1, convertNumbers=False)
        self._factory.protocol = partial(Wire, self, reactor, deadline)
        # The stock delays make a restart of the store cost up to ten seconds.
        self._factory.initialDelay, self._factory.maxDelay = 0.1, 2
        # The connection from its beginning to its end, and what is under way; that ends with the state.
        self._wire: Wire | None = None
        self._under_way: Deferred[Any] | None = None
        self._waiters: dict[Deferred[Wire], None] = {}

    def __repr__(self) -> str:
        return f"<Link to {self._address}: {self.state.value}>"

    @property
    def live(self) -> Wire | None:
        """The usable connection, None while there is none."""
        return self._wire if self.state is State.READY else None

    async def start(self, patience: float) -> None:
        """Connect and wait until the connection is live.

        Raises:
            StoreUnavailable: It was not within `patience` seconds; nothing goes on trying then.
        """
        self._become(State.CONNECTING)
        self._factory.startConnecting(_Reporting(self._address.endpoint(self._reactor), self._unreachable))
        try:
            await self.wait(patience)
        except StoreUnavailable:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the connection; who waits for one is told so. Stopping again does nothing."""
        if not self._become(State.STOPPED):
            return
        # A peer that does not read keeps a polite close waiting for ever.
        timer = self._reactor.callLater(self._deadline, self._abort)
        try:
            await self._factory.disconnect()
        finally:
            if timer.active():
                timer.cancel()
            for waiter in tuple(self._waiters):
                waiter.errback(StoreUnavailable(_CLOSED))

    async def wait(self, seconds: float) -> Wire:
        """Wait for a live connection.

        Raises:
            StoreUnavailable: There was none within that time.
        """
        if self.live is not None:
            return self.live
        if self.state is State.STOPPED:
            raise StoreUnavailable(_CLOSED)
        waiter: Deferred[Wire] = Deferred()
        self._waiters[waiter] = None
        try:
            return await waiter.addTimeout(max(0, seconds), self._reactor)
        except defer.TimeoutError:
            raise StoreUnavailable(str(self.reason)) from None
        finally:
            self._waiters.pop(waiter, None)

    def drop(self, why: Reason) -> None:
        """Give the connection up at once, so that the server is looked for anew."""
        if self._become(State.DROPPED):
            self._because(why)
            self._abort()

    def failed(self, wire: Wire, failure: Failure) -> None:
        """Give up a connection over which something was asked in vain."""
        # Where it was lost or is not wanted any more, that is known already.
        if wire is self._wire and not failure.check(CancelledError):
            self.drop(self._meaning(failure))

    def opened(self, wire: Wire) -> None:
        """Find out whether the server behind a new connection is ready to work."""
        self._wire = wire
        if self._become(State.GREETING):
            self._under_way = Deferred.fromCoroutine(self._greet(wire))
            self._under_way.addCallbacks(lambda _: self._use(wire), partial(self.failed, wire))

    def lost(self) -> None:
        """Take note that the connection has ended, and say why unless that is known."""
        before, self._wire = self.state, None
        if self._become(State.CONNECTING):
            if before is State.GREETING:
                cure = (
                    "its certificate is for this host and trusted here"
                    if self._address.tls
                    else "it is a Redis"
                )
                seen = f"The store at {self._address} ended the connection at once."
                self._because(Reason("away", seen, f"See that {cure}."))
            elif before is State.READY:
                seen = f"The connection to the store at {self._address} was lost."
                self._because(Reason("away", seen, "See that it runs."))

    async def _greet(self, wire: Wire) -> None:
        await greet(wire, self._address, self._reactor, self._because)
        if self._greet_further is not None:
            await self._greet_further(wire)

    def _use(self, wire: Wire) -> None:
        self._become(State.READY)
        wire.usable()
        self._beat(wire)
        self._changed()
        for waiter in tuple(self._waiters):
            waiter.callback(wire)

    def _beat(self, wire: Wire) -> None:
        def refused(failure: Failure) -> str:
            failure.trap(txredisapi.ResponseError)
            return failure.getErrorMessage()

        def answered(error: str | None) -> None:
            self._beat(wire)
            self._beaten(error)

        if self._beat_by is not None:
            beat = deferLater(self._reactor, _HEARTBEAT, wire.execute_command, *self._beat_by)
            beat.addCallbacks(lambda _: None, refused).addCallbacks(answered, partial(self.failed, wire))
            self._under_way = beat

    def _unreachable(self, why: str) -> None:
        seen = f"The store at {self._address} cannot be reached ({why.rstrip('.')})."
        self._because(Reason("away", seen, "See that it runs."))

    def _meaning(self, failure: Failure) -> Reason:
        error = failure.value
        if isinstance(error, StoreUnsuitable):
            return error.reason
        if isinstance(error, defer.TimeoutError):
            return Reason("hung", f"The store at {self._address} does not answer.", "See whether it hangs.")
        if isinstance(error, txredisapi.ResponseError):
            seen = f"The store at {self._address} refused the connection ({error})."
            return reason_of(str(error)) or Reason("refused", seen, "Correct redis.url.")
        self._log.failure("The store could not be asked", failure)
        return Reason("greeting", "The store gave an answer that nled does not understand.", "See the log.")

    def _become(self, state: State) -> bool:
        """Go to another state, which ends what was under way in this one; False if that may not come next."""
        if state not in NEXT[self.state]:
            return False
        self.state = state
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.cancel()
        return True

    def _because(self, why: Reason) -> None:
        self.reason = why
        if self.state is not State.STOPPED:
            self._changed()

    def _abort(self) -> None:
        # To abort a TLS connection that has ended already is an error.
        if self._wire is not None and self._wire.connected:
            self._wire.transport.abortConnection()


@implementer(IStreamClientEndpoint)
class _Reporting:
    """Tells why a connection attempt failed, which txredisapi keeps to itself."""

    def __init__(self, endpoint: IStreamClientEndpoint, report: Callable[[str], None]) -> None:
        self._endpoint = endpoint
        self._report = report

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect as the endpoint does, and report a failure on the way."""

        def failed(failure: Failure) -> Failure:
            if not isinstance(failure.value, CancelledError):
                self._report(failure.getErrorMessage())
            return failure

        connecting: Deferred[IProtocol] = self._endpoint.connect(protocolFactory)
        return connecting.addErrback(failed)
