"""A single question to a server, over a connection of its own."""

from collections.abc import Sequence
from typing import Any, cast

import hiredis
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import connectProtocol
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure


class _Question(Protocol):
    """Sends commands at once and collects their replies."""

    transport: Any

    def __init__(self, commands: Sequence[tuple[str, ...]]) -> None:
        self._commands = commands
        self._reader = hiredis.Reader(encoding="utf-8")
        self._replies: list[Any] = []
        self.answered: Deferred[list[Any]] = Deferred()

    def connectionMade(self) -> None:
        for command in self._commands:
            self.transport.write(hiredis.pack_command(command))  # type: ignore[arg-type] # its stub is wrong

    def dataReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._replies.append(reply)
        if len(self._replies) >= len(self._commands) and not self.answered.called:
            self.answered.callback(self._replies)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.answered.called:
            self.answered.errback(reason)


async def ask(
    clock: IReactorTime, endpoint: IStreamClientEndpoint, commands: Sequence[tuple[str, ...]], patience: float
) -> Any:
    """Connect, send the commands and return the reply to the last one; an error reply is returned as well.

    Raises:
        Exception: Connecting failed, or the replies had not come within `patience` seconds.
    """
    question = _Question(commands)
    await cast("Deferred[Any]", connectProtocol(endpoint, question))
    try:
        return (await question.answered.addTimeout(patience, clock))[-1]
    finally:
        question.transport.abortConnection()
