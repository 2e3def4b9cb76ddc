"""One connection to the store that comes back by itself, whatever ended it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import txredisapi
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from nled.store.address import Address
from nled.store.connecting import Factory, Reporting
from nled.store.errors import PASSING, Reason, StoreUnavailable, StoreUnsuitable, code_of, reason_of

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

_HEARTBEAT: Final = 5.0
_GREETING_PAUSE: Final = 0.1
_REFUSED_PAUSE: Final = 1.0
_CLOSED: Final = "The store is closed because nled stops."


class Link:
    """Keeps a connection whose server is ready to work, and says why there is none.

    Each new connection has to answer a PING (not refused, not loading) and, behind Sentinel, be the
    master's, before it becomes `live`; then it is sent `beat` at an interval, since a connection whose
    other end vanished says nothing by itself. An owner that always asks something needs no `beat`, and calls
    `failed`.

    Attributes:
        live: The protocol of the usable connection, None while there is none.
        reason: Why there is none.

    Args:
        changed: called whenever `live` or `reason` may have changed, but not by `stop`.
        beaten: called with each answer to a `beat`: the text of an error, None for any other.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        address: Address,
        protocol: Callable[..., Any],
        *,
        deadline: float,
        greet: Callable[[Any], Awaitable[None]] | None = None,
        changed: Callable[[], None] = lambda: None,
        beat: tuple[str, ...] | None = ("PING",),
        beaten: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self.live: Any = None
        self.reason = Reason("away", f"The store at {address} was not asked yet.", "Wait.")
        self._deadline = deadline
        self._reactor = reactor
        self._address = address
        self._greet = greet
        self._changed = changed
        self._beat_by = beat
        self._beaten = beaten
        self._factory = Factory(self, protocol, address)
        self._waiters: dict[Deferred[Any], None] = {}
        self._greeting: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._open: Any = None
        # Whether we have given that up ourselves: then we know why it ends.
        self._dropped = False
        self._stopping = False

    async def start(self, patience: float) -> None:
        """Connect and wait until the connection is live.

        Raises:
            StoreUnavailable: It was not within `patience` seconds; nothing goes on trying then.
        """
        self._factory.startConnecting(Reporting(self._address.endpoint(self._reactor), self.unreachable))
        try:
            await self.wait(patience)
        except StoreUnavailable:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the connection; who waits for one is told so. Stopping again does nothing."""
        if self._stopping:
            return
        self._stopping = True
        self._calm()
        # A peer that does not read keeps a polite close waiting for ever.
        self._timer = self._reactor.callLater(self._deadline, self.drop, self.reason)
        try:
            await self._factory.disconnect()
        finally:
            self._calm()
            for waiter in tuple(self._waiters):
                waiter.errback(StoreUnavailable(_CLOSED))

    async def wait(self, seconds: float) -> Any:
        """Wait for a live connection and return its protocol.

        Raises:
            StoreUnavailable: There was none within that time.
        """
        if self.live is not None:
            return self.live
        if self._stopping:
            raise StoreUnavailable(_CLOSED)
        waiter: Deferred[Any] = Deferred()
        self._waiters[waiter] = None
        try:
            return await waiter.addTimeout(max(0, seconds), self._reactor)
        except defer.TimeoutError:
            raise StoreUnavailable(str(self.reason)) from None
        finally:
            self._waiters.pop(waiter, None)

    def drop(self, why: Reason) -> None:
        """Give the connection up at once, so that the server is looked for anew."""
        self._down(why)
        self._dropped = True
        # To abort a TLS connection that has ended already is an error.
        if self._open is not None and self._open.connected:
            self._open.transport.abortConnection()

    def unreachable(self, why: str) -> None:
        """Note that connecting failed."""
        seen = f"The store at {self._address} cannot be reached ({why.rstrip('.')})."
        self._because(Reason("away", seen, "See that it runs."))

    def refused(self, why: str) -> None:
        """Note that AUTH or SELECT was refused."""
        if not self._stopping:
            self._calm()
        # As the library words it: "Redis error: could not auth: " and what the server said.
        *_, answer = why.split(": ", 2)
        if answer != "Lost connection":
            self._because(self._refusal(answer))
        elif not self._dropped:
            self._because(self._ended_at_once())

    def opened(self, protocol: Any) -> None:
        """Limit the time that AUTH and SELECT on a new connection may take: the library waits for ever."""
        self._calm()
        self._open, self._dropped = protocol, False
        self._timer = self._reactor.callLater(self._deadline, self._silent)

    def ready(self, protocol: Any) -> None:
        """Find out whether the server behind a new connection is ready to work."""
        self._calm()
        if not self._stopping:
            self._greeting = Deferred.fromCoroutine(self._welcome(protocol))
            self._greeting.addErrback(self._welcome_failed)

    def lost(self, protocol: Any) -> None:
        """Take a lost connection out of use."""
        if self.live is protocol:
            seen = f"The connection to the store at {self._address} was lost."
            self._down(Reason("away", seen, "See that it runs."))
        elif self._greeting is not None and not self._greeting.called and not self._dropped:
            self._because(self._ended_at_once())
        self._calm()

    def failed(self, protocol: Any, failure: Failure) -> None:
        """Take a connection out of use on which a question of its owner has failed."""
        if self.live is not protocol or failure.check(CancelledError):
            # It was lost, which is known already.
            return
        self._down(self.reason)
        if isinstance(failure.value, txredisapi.ResponseError):
            self._give_up(self._refusal(failure.getErrorMessage()))
        else:
            self._welcome_failed(failure)

    async def _welcome(self, protocol: Any) -> None:
        try:
            while not await self._answers(protocol):
                await deferLater(self._reactor, _GREETING_PAUSE)
            if self._address.service is not None and (await protocol.ask("ROLE"))[0] != "master":
                seen = "The server that the Sentinels name is not the master yet."
                self._give_up(Reason("read-only", seen, "Wait."))
                return
            if self._greet is not None:
                await self._greet(protocol)
        except txredisapi.ResponseError as error:
            self._give_up(self._refusal(str(error)))
        except StoreUnsuitable as error:
            self._give_up(error.reason)
        else:
            self._up(protocol)

    async def _answers(self, protocol: Any) -> bool:
        """Tell whether the server is ready, False if it will be by itself."""
        try:
            await protocol.ask("PING")
        except txredisapi.ResponseError as error:
            reason = reason_of(str(error))
            if reason is None or code_of(str(error)) not in PASSING:
                raise
            self._because(reason)
            return False
        return True

    def _welcome_failed(self, failure: Failure) -> None:
        if isinstance(failure.value, defer.TimeoutError):
            self._silent()
        elif not isinstance(failure.value, CancelledError):
            self._log.failure("The store could not be greeted", failure)
            seen = "The store gave an answer that nled does not understand."
            self._give_up(Reason("greeting", seen, "See the log."))

    def _give_up(self, why: Reason) -> None:
        """Try another connection in a while: at once would be a loop, as the library sees no failure."""
        self._because(why)
        self._timer = self._reactor.callLater(_REFUSED_PAUSE, self.drop, why)

    def _because(self, why: Reason) -> None:
        self.reason = why
        if not self._stopping:
            self._changed()

    def _refusal(self, answer: str) -> Reason:
        seen = f"The store at {self._address} refused the connection ({answer})."
        return reason_of(answer) or Reason("refused", seen, "Correct redis.url.")

    def _ended_at_once(self) -> Reason:
        cure = "its certificate is for this host and trusted here" if self._address.tls else "it is a Redis"
        seen = f"The store at {self._address} ended the connection at once."
        return Reason("away", seen, f"See that {cure}.")

    def _up(self, protocol: Any) -> None:
        self.live = protocol
        self._beat_later(protocol)
        self._changed()
        for waiter in tuple(self._waiters):
            waiter.callback(protocol)

    def _down(self, why: Reason) -> None:
        self.live = None
        self._because(why)

    def _beat_later(self, protocol: Any) -> None:
        if self.live is protocol and not self._stopping and self._beat_by is not None:
            self._timer = self._reactor.callLater(_HEARTBEAT, self._beat, protocol, self._beat_by)

    def _beat(self, protocol: Any, by: tuple[str, ...]) -> None:
        def answered(_: Any) -> None:
            self._beat_later(protocol)
            self._beaten(None)

        def failed(failure: Failure) -> None:
            if isinstance(failure.value, txredisapi.ResponseError):
                self._beat_later(protocol)
                self._beaten(failure.getErrorMessage())
            elif isinstance(failure.value, defer.TimeoutError) and self.live is protocol:
                self._silent()

        protocol.ask(*by).addCallbacks(answered, failed)

    def _silent(self) -> None:
        self.drop(Reason("hung", f"The store at {self._address} does not answer.", "See whether it hangs."))

    def _calm(self) -> None:
        """End what is under way on a connection."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._greeting is not None:
            self._greeting.cancel()
        self._timer = self._greeting = None
