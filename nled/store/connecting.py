"""How connections to the store are made: txredisapi's factory, taught to go on and to tell."""

from collections.abc import Callable
from typing import Any, Protocol

import txredisapi
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from nled.store.address import Address


class Owner(Protocol):
    """Who wants to know about the connections of a Factory."""

    def opened(self, protocol: Any) -> None:
        """Take note of a new connection, of which nothing is known yet."""

    def ready(self, protocol: Any) -> None:
        """Take note that AUTH and SELECT went well on it."""

    def refused(self, why: str) -> None:
        """Take note that they were refused."""

    def lost(self, protocol: Any) -> None:
        """Take note that a connection which was ready has ended."""


@implementer(IStreamClientEndpoint)
class Reporting:
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


class Factory(txredisapi.RedisFactory):
    """Keeps one connection and hands its comings and goings to its owner."""

    # The stock delays make a restart of the store cost up to ten seconds.
    initialDelay = 0.1
    maxDelay = 2

    def __init__(self, owner: Owner, protocol: Callable[..., Any], address: Address) -> None:
        super().__init__(
            None,
            address.database or None,
            # More than one connection would reorder commands that are not awaited.
            1,
            charset="utf-8",
            username=address.username,
            password=address.password,
            # It would make a number of a text like "007".
            convertNumbers=False,
        )
        self.protocol = protocol
        self._owner = owner

    def stopTrying(self) -> Deferred[Any]:
        """Go on after a refused AUTH or SELECT, where the library would give up for ever."""
        return super().stopTrying() if self.disconnectCalled else succeed(None)

    def buildProtocol(self, addr: Any) -> Any:
        """Make the protocol of a new connection."""
        protocol = super().buildProtocol(addr)
        self._owner.opened(protocol)
        return protocol

    def addConnection(self, conn: Any) -> None:
        """Take a connection after AUTH and SELECT, which may have ended since."""
        super().addConnection(conn)
        if conn in self.pool:
            self._owner.ready(conn)

    def delConnection(self, conn: Any) -> None:
        """Forget a connection that has ended."""
        super().delConnection(conn)
        self._owner.lost(conn)

    def connectionError(self, why: str) -> None:
        """Hear why AUTH or SELECT failed."""
        self._owner.refused(why)
