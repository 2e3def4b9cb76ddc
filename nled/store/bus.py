"""What the processes of nled tell each other through the store: one channel, without any memory."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from txredisapi import SubscriberProtocol

from nled.store.address import Address
from nled.store.errors import Reason
from nled.store.link import Link
from nled.store.replies import Replies

_DEADLINE: Final = 5.0


class _Listener(Replies, SubscriberProtocol):
    """A connection that is subscribed, where only PING can be asked besides."""

    # Kept, so that it can be told what was not UTF-8.
    undecodable = "surrogateescape"

    def __init__(self, clock: IReactorTime, heard: Callable[[Any], None], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock = clock
        self._heard = heard

    def ask(self, *args: str | bytes | int) -> Deferred[Any]:
        return self.execute_command(*args).addTimeout(_DEADLINE, self._clock)

    def messageReceived(self, _pattern: Any, _channel: Any, message: Any) -> None:
        self._heard(message)


class Bus:
    """Listens on one channel, and listens again after each loss of the connection.

    What is published while there is no connection is lost: `on_gap` is called after each subscription
    but the first, when everything published from then on will arrive.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        address: Address,
        channel: str,
        *,
        on_message: Callable[[str], None],
        on_gap: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._on_message = on_message
        self._on_gap = on_gap
        self._subscribed_before = False
        self._link = Link(
            reactor,
            address,
            partial(_Listener, reactor, self._heard),
            deadline=_DEADLINE,
            greet=self._subscribe,
        )

    @property
    def trouble(self) -> Reason | None:
        """Why nothing is heard just now, None while it is."""
        return None if self._link.live else self._link.reason

    async def start(self, patience: float = 60.0) -> None:
        """Connect and wait until the store has acknowledged the subscription.

        Raises:
            StoreUnavailable: It had not within `patience` seconds.
        """
        await self._link.start(patience)

    async def stop(self) -> None:
        """Close the connection; nothing is called afterwards."""
        await self._link.stop()

    async def _subscribe(self, listener: _Listener) -> None:
        await listener.ask("SUBSCRIBE", self._channel)
        if self._subscribed_before:
            self._guarded(self._on_gap)
        self._subscribed_before = True

    def _heard(self, message: str) -> None:
        try:
            message.encode()
        except UnicodeEncodeError:
            # It was not UTF-8, so it is not from nled.
            return
        self._guarded(self._on_message, message)

    def _guarded(self, hook: Callable[..., None], *args: str) -> None:
        # An exception would drop the connection, and with it the messages behind this one.
        try:
            hook(*args)
        except Exception:  # noqa: BLE001 - whatever a hook raises
            self._log.failure("A message on {channel} could not be handled", channel=self._channel)
