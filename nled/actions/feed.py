"""Notices as they come in, for whoever listens in this process: event streams, and commands that wait.

A listener that does not keep up loses what it has not taken, and is told so by a `gap`: the store remembers
what it missed (`nled.store.events`). So nothing here ever grows.
"""

from collections import deque
from collections.abc import Container

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
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
    _waiting: deque[Notice] = field(factory=deque)
    _waiter: Deferred[Notice | None] | None = None

    def next(self, seconds: float) -> Deferred[Notice | None]:
        """Give the next notice; None when there was none within that time, or there will be none."""
        if self._waiting:
            return succeed(self._waiting.popleft())
        if self.over:
            return succeed(None)
        # The canceller only forgets: who waited has gone, and closes this.
        waiter: Deferred[Notice | None] = Deferred(lambda _: setattr(self, "_waiter", None))
        self._waiter = waiter
        timer = self._feed.clock.callLater(seconds, self._fire, None)

        def stop_timer(result: Notice | None) -> Notice | None:
            if timer.active():
                timer.cancel()
            return result

        return waiter.addBoth(stop_timer)

    def tell(self, notice: Notice) -> None:
        """Hand over a notice, if it is for this listener."""
        if not (self._serials is None or notice is GAP or notice.concerns(self._serials)):
            return
        if self._waiter is not None:
            self._fire(notice)
        elif len(self._waiting) < ROOM:
            self._waiting.append(notice)
        else:
            self._waiting = deque((GAP,))

    def end(self) -> None:
        """Let the waiter go: there will be nothing more."""
        self.over = True
        if self._waiter is not None:
            self._fire(None)

    def close(self) -> None:
        """Listen no more; a second time does nothing."""
        self._feed.forget(self)

    def _fire(self, notice: Notice | None) -> None:
        waiter, self._waiter = self._waiter, None
        assert waiter is not None
        waiter.callback(notice)


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
