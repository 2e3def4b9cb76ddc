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
from nled.store.errors import PASSING, StoreUnavailable, code_of, from_reply

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

_HEARTBEAT: Final = 5.0
_GREETING_PAUSE: Final = 0.1
_REFUSED_PAUSE: Final = 1.0
_NEWS_EVERY: Final = 5.0
_CLOSED: Final = "The store is closed because nled stops."


class Link:
    """Keeps a connection whose server is ready to work, and says why there is none.

    Each new connection has to answer a PING (not refused, not loading) and, behind Sentinel, be the
    master's, before it becomes `live`; then it is asked for a PING at an interval, since a connection
    whose other end vanished says nothing by itself.

    Attributes:
        live: The protocol of the usable connection, None while there is none.
        trouble: The sentence why there is none.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        address: Address,
        protocol: Callable[..., Any],
        *,
        name: str,
        deadline: float,
        greet: Callable[[Any], Awaitable[None]] | None = None,
    ) -> None:
        self.live: Any = None
        self.trouble = f"The store at {address} was not asked yet."
        self._deadline = deadline
        self._reactor = reactor
        self._address = address
        self._name = name
        self._greet = greet
        self._factory = Factory(self, protocol, address)
        self._waiters: dict[Deferred[Any], None] = {}
        self._greeting: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._away_since: float | None = None
        self._open: Any = None
        self._stopping = False

    async def start(self, patience: float) -> None:
        """Connect and wait until the connection is live.

        Raises:
            StoreUnavailable: It was not within `patience` seconds; nothing goes on trying then.
        """
        end = self._reactor.seconds() + patience
        self._factory.startConnecting(Reporting(self._address.endpoint(self._reactor), self.unreachable))
        while self.live is None:
            left = end - self._reactor.seconds()
            try:
                await self.wait(min(left, _NEWS_EVERY))
            except StoreUnavailable:
                if left <= _NEWS_EVERY or self._stopping:
                    await self.stop()
                    raise
                self._log.info("Waiting for the store: {trouble}", trouble=self.trouble)

    async def stop(self) -> None:
        """Close the connection; who waits for one is told so. Stopping again does nothing."""
        if self._stopping:
            return
        self._stopping = True
        self._calm()
        # A peer that does not read keeps a polite close waiting for ever.
        self._timer = self._reactor.callLater(self._deadline, self.drop, _CLOSED)
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
            raise StoreUnavailable(self.trouble) from None
        finally:
            self._waiters.pop(waiter, None)

    def drop(self, why: str) -> None:
        """Give the connection up at once, so that the server is looked for anew."""
        self._down(why)
        # To abort a TLS connection that has ended already is an error.
        if self._open is not None and self._open.connected:
            self._open.transport.abortConnection()

    def unreachable(self, why: str) -> None:
        """Note that connecting failed."""
        self.trouble = (
            f"The store at {self._address} cannot be reached ({why.rstrip('.')}); see that it runs."
        )

    def refused(self, why: str) -> None:
        """Note that AUTH or SELECT was refused."""
        if not self._stopping:
            self._calm()
        # As the library words it: "Redis error: could not auth: " and what the server said.
        *_, answer = why.split(": ", 2)
        if answer == "Lost connection":
            self.trouble = self._ended_at_once()
        else:
            self.trouble = self._refusal(answer)

    def opened(self, protocol: Any) -> None:
        """Limit the time that AUTH and SELECT on a new connection may take: the library waits for ever."""
        self._calm()
        self._open = protocol
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
            self._down(f"The connection to the store at {self._address} was lost; see that it runs.")
        elif self._greeting is not None and not self._greeting.called:
            self.trouble = self._ended_at_once()
        self._calm()

    async def _welcome(self, protocol: Any) -> None:
        try:
            while not await self._answers(protocol):
                await deferLater(self._reactor, _GREETING_PAUSE)
            if self._address.service is not None and (await protocol.ask("ROLE"))[0] != "master":
                self._give_up("The server that the Sentinels name is not the master yet; wait.")
                return
            if self._greet is not None:
                await self._greet(protocol)
        except txredisapi.ResponseError as error:
            self._give_up(self._refusal(str(error)))
        except StoreUnavailable as error:
            self._give_up(str(error))
        else:
            self._up(protocol)

    async def _answers(self, protocol: Any) -> bool:
        """Tell whether the server is ready, False if it will be by itself."""
        try:
            await protocol.ask("PING")
        except txredisapi.ResponseError as error:
            if code_of(str(error)) not in PASSING:
                raise
            self.trouble = str(from_reply(str(error)))
            return False
        return True

    def _welcome_failed(self, failure: Failure) -> None:
        if isinstance(failure.value, defer.TimeoutError):
            self._silent()
        elif not isinstance(failure.value, CancelledError):
            self._log.failure("The store could not be greeted", failure)
            self._give_up("The store gave an answer that nled does not understand; see the log.")

    def _give_up(self, why: str) -> None:
        """Try another connection in a while: at once would be a loop, as the library sees no failure."""
        self.trouble = why
        self._timer = self._reactor.callLater(_REFUSED_PAUSE, self.drop, why)

    def _refusal(self, answer: str) -> str:
        error = from_reply(answer)
        if isinstance(error, StoreUnavailable):
            return str(error)
        return f"The store at {self._address} refused the connection ({answer}); correct redis.url."

    def _ended_at_once(self) -> str:
        cure = "its certificate is for this host and trusted here" if self._address.tls else "it is a Redis"
        return f"The store at {self._address} ended the connection at once; see that {cure}."

    def _up(self, protocol: Any) -> None:
        if self._away_since is not None:
            seconds = self._reactor.seconds() - self._away_since
            self._log.info(
                "The store is back ({name}) after {seconds:.1f} s", name=self._name, seconds=seconds
            )
            self._away_since = None
        self.live = protocol
        self._beat_later(protocol)
        for waiter in tuple(self._waiters):
            waiter.callback(protocol)

    def _down(self, why: str) -> None:
        self.trouble = why
        if self.live is not None:
            self.live = None
            # Said once here and once when it is back, not by each call in between.
            if not self._stopping:
                self._away_since = self._reactor.seconds()
                self._log.warn("The store went away ({name}): {why}", name=self._name, why=why)

    def _beat_later(self, protocol: Any) -> None:
        if self.live is protocol and not self._stopping:
            self._timer = self._reactor.callLater(_HEARTBEAT, self._beat, protocol)

    def _beat(self, protocol: Any) -> None:
        def failed(failure: Failure) -> None:
            if isinstance(failure.value, txredisapi.ResponseError):
                self._beat_later(protocol)
            elif isinstance(failure.value, defer.TimeoutError) and self.live is protocol:
                self._silent()

        protocol.ask("PING").addCallbacks(lambda _: self._beat_later(protocol), failed)

    def _silent(self) -> None:
        self.drop(f"The store at {self._address} does not answer; see whether it hangs.")

    def _calm(self) -> None:
        """End what is under way on a connection."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._greeting is not None:
            self._greeting.cancel()
        self._timer = self._greeting = None
