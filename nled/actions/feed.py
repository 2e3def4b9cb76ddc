"""Notices as they come in, for whoever listens in this process: event streams, and commands that wait.

A listener that does not keep up loses what it has not taken, and is told so by a `gap`: the store remembers
what it missed (`nled.store.events`). So nothing here ever grows.
"""

from collections.abc import Container
from functools import partial

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredQueue, QueueOverflow, succeed
from twisted.internet.interfaces import IReactorTime

from nled.domain.notice import GAP, Notice

# Notices that may wait for one listener.
ROOM = 256


@define(eq=False)
class Listener:
    """One who listens. Close it in a `finally`; one waiter at a time.

    Attributes:
        over: whether nothing will come any more, as the daemon stops.
    """

    _feed: "Feed"
    _serials: Container[str] | None
    over: bool = False
    # One waiter at a time; None lets it go.
    _queue: "DeferredQueue[Notice | None]" = field(factory=partial(DeferredQueue, ROOM, 1))

    def next(self, seconds: float) -> Deferred[Notice | None]:
        """Give the next notice; None when there was none within that time, or there will be none."""
        if self.over and not self._queue.pending:
            return succeed(None)
        return self._queue.get().addTimeout(seconds, self._feed.clock, lambda _, __: None)

    def tell(self, notice: Notice) -> None:
        """Hand over a notice, if it is for this listener."""
        if not (self._serials is None or notice is GAP or notice.concerns(self._serials)):
            return
        try:
            self._queue.put(notice)
        except QueueOverflow:
            # Nobody waits while there is something to take.
            self._queue = DeferredQueue(ROOM, 1)
            self._queue.put(GAP)

    def end(self) -> None:
        """Let the waiter go: there will be nothing more."""
        self.over = True
        if self._queue.waiting:
            self._queue.put(None)

    def close(self) -> None:
        """Listen no more; a second time does nothing."""
        self._feed.forget(self)


@define
class Feed:
    """All listeners of this process."""

    clock: IReactorTime
    _listeners: dict[Listener, None] = field(factory=dict)
    _over: bool = False

    def __len__(self) -> int:
        return len(self._listeners)

    def open(self, serials: Container[str] | None = None) -> Listener:
        """Listen from now on, to notices of these devices or of all."""
        listener = Listener(self, serials, self._over)
        self._listeners[listener] = None
        return listener

    def forget(self, listener: Listener) -> None:
        """Tell a listener nothing more."""
        self._listeners.pop(listener, None)

    def publish(self, notice: Notice) -> None:
        """Hand a notice to all it is for."""
        for listener in tuple(self._listeners):
            listener.tell(notice)

    def missed(self) -> None:
        """Say that notices may have been lost on their way to this process."""
        self.publish(GAP)

    async def stop(self) -> None:
        """End every listener, also those to come, and leave no timer: the daemon stops."""
        self._over = True
        for listener in tuple(self._listeners):
            listener.end()
