"""Connecting to whichever server the Sentinels call the master."""

from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from zope.interface import implementer

from nled.store.question import ask

# A dead Sentinel must not hold up the question to the next one.
_PATIENCE: Final = 2.0


@implementer(IStreamClientEndpoint)
class SentinelEndpoint:
    """Asks the Sentinels in turn for the master before each connection."""

    def __init__(
        self, reactor: Any, sentinels: Sequence[tuple[str, int]], service: str, password: str | None
    ) -> None:
        self._reactor = reactor
        self._sentinels = list(sentinels)
        self._service = service
        self._password = password

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Find the master and connect to it; fails with LookupError if no Sentinel knows one."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        host, port = await self._discover()
        connected: IProtocol = await HostnameEndpoint(self._reactor, host, port, timeout=_PATIENCE).connect(
            factory
        )
        return connected

    async def _discover(self) -> tuple[str, int]:
        trouble = "none is named"
        for sentinel in tuple(self._sentinels):
            try:
                found = await self._ask(*sentinel)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the next may be well
                trouble = f"{sentinel[0]}:{sentinel[1]}: {error}"
                continue
            # The one that answered is asked first next time, as Sentinel's guide for clients says.
            self._sentinels.remove(sentinel)
            self._sentinels.insert(0, sentinel)
            return found
        raise LookupError(f"no Sentinel names a master for {self._service}: {trouble}")

    async def _ask(self, host: str, port: int) -> tuple[str, int]:
        commands: list[tuple[str, ...]] = [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)]
        if self._password is not None:
            commands.insert(0, ("AUTH", self._password))
        endpoint = HostnameEndpoint(self._reactor, host, port, timeout=_PATIENCE)
        reply = await ask(self._reactor, endpoint, commands, _PATIENCE)
        if isinstance(reply, Exception):
            raise reply
        if not reply:
            raise LookupError("does not know this service")
        return reply[0], int(reply[1])
