"""Held polls: serial -> tickets, which a change fires. No HTTP, no store.

A ticket is opened before the store is read, so that a change between the two fires it. It fires once
for any number of changes; its owner then reads what is newer, and waits again.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from itertools import chain, islice

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

BATCH = 100


class Wake(Enum):
    """Why a wait ended."""

    CHANGED = "changed"
    QUIET = "quiet"
    DEADLINE = "deadline"
    ENDED = "ended"


@define(eq=False)
class Ticket:
    """One held poll of a device. Close it in a `finally`; one waiter at a time."""

    serial: str
    deadline: float
    _hub: "Hub"
    _changed: bool = False
    _over: Wake | None = None
    _waiter: Deferred[Wake] | None = None

    def wait(self, seconds: float | None = None) -> Deferred[Wake]:
        """Wait for a change or the end of the hold, or `seconds` at most for neither (QUIET)."""
        if self._changed:
            self._changed = False
            return succeed(Wake.CHANGED)
        if self._over is not None:
            return succeed(self._over)
        # The canceller only forgets: time has passed, or the device has gone and the owner closes its poll.
        waiter: Deferred[Wake] = Deferred(lambda _: setattr(self, "_waiter", None))
        self._waiter = waiter
        if seconds is not None:
            waiter.addTimeout(seconds, self._hub.clock, lambda _, __: Wake.QUIET)
        return waiter

    def change(self) -> None:
        """Fire: something has become newer."""
        if not self._fire(Wake.CHANGED):
            self._changed = True

    def end(self, why: Wake = Wake.ENDED) -> None:
        """Fire for the last time: the hold is over, or the poll has to make room."""
        self._over = why
        self._fire(why)

    def revive(self) -> bool:
        """Take back that the hold has run out, if it has."""
        if self._over is not Wake.DEADLINE:
            return False
        self._over = None
        # Of what changed meanwhile it was not told.
        self._changed = True
        return True

    def close(self) -> None:
        """Leave the hub."""
        self._hub.forget(self)

    def _fire(self, wake: Wake) -> bool:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(wake)
        return waiter is not None


@define(eq=False)
class Hub:
    """All polls this process holds.

    Attributes:
        clock: for deadlines.
        hold: seconds a poll is held.
        most: polls per device; one more ends the oldest (protocol b.3).
    """

    clock: IReactorTime
    hold: float
    most: int
    _held: dict[str, list[Ticket]] = field(factory=dict)
    # All holds are equally long, so this is sorted by deadline, and one timer does for all.
    _queue: OrderedDict[Ticket, None] = field(factory=OrderedDict)
    _timer: IDelayedCall | None = None
    _log = Logger()

    def __len__(self) -> int:
        return len(self._queue)

    def held(self, serial: str) -> int:
        """Count the polls held of a device."""
        return len(self._held.get(serial, ()))

    def counts(self) -> dict[str, int]:
        """Count the polls held of each device that has any."""
        return {serial: len(tickets) for serial, tickets in self._held.items()}

    def open(self, serial: str) -> Ticket:
        """Open a ticket; its hold begins now."""
        held = self._held.get(serial, [])
        if len(held) >= self.most:
            self._log.info(
                "{serial}: more than {most} polls at once, ending the oldest.", serial=serial, most=self.most
            )
            oldest = held[0]
            oldest.end()
            self.forget(oldest)
        ticket = Ticket(serial, 0, self)
        self._hold(ticket)
        return ticket

    def renew(self, ticket: Ticket) -> None:
        """Begin a ticket's hold anew: something was sent, and its batch is not to be cut short.

        The hold may have run out while the store was asked; a ticket that ended otherwise stays so.
        """
        if ticket in self._queue:
            ticket.deadline = self.clock.seconds() + self.hold
            self._queue.move_to_end(ticket)
        elif ticket.revive():
            self._hold(ticket)

    def forget(self, ticket: Ticket) -> None:
        """Let go of a ticket; a second time does nothing."""
        if ticket in self._queue:
            del self._queue[ticket]
            held = self._held[ticket.serial]
            held.remove(ticket)
            if not held:
                del self._held[ticket.serial]

    def changed(self, serial: str) -> None:
        """Fire every ticket of a device: overlapping polls are all told (protocol a.12 no. 14)."""
        for ticket in tuple(self._held.get(serial, ())):
            ticket.change()

    def end(self, serial: str) -> None:
        """End every poll of a device: there is nothing to tell it any more."""
        for ticket in tuple(self._held.get(serial, ())):
            ticket.end()

    async def change_each(self, serials: Iterable[str]) -> None:
        """Fire every ticket of several devices, in batches that leave the reactor room for others."""
        held = (self._held.get(serial, ()) for serial in serials)
        await self._in_batches(Ticket.change, list(chain.from_iterable(held)))

    async def change_all(self) -> None:
        """Fire every ticket, in such batches."""
        await self._in_batches(Ticket.change, list(self._queue))

    async def drain(self) -> None:
        """End every ticket, in batches, and leave no timer: the daemon stops."""
        await self._in_batches(Ticket.end, list(self._queue))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _in_batches(self, act: Callable[[Ticket], None], tickets: Sequence[Ticket]) -> None:
        for start in range(0, len(tickets), BATCH):
            for ticket in tickets[start : start + BATCH]:
                act(ticket)
            await deferLater(self.clock, 0)

    def _hold(self, ticket: Ticket) -> None:
        ticket.deadline = self.clock.seconds() + self.hold
        self._held.setdefault(ticket.serial, []).append(ticket)
        self._queue[ticket] = None
        if self._timer is None:
            self._schedule()

    def _schedule(self) -> None:
        self._timer = None
        if self._queue:
            first = next(iter(self._queue))
            wait = max(0.0, first.deadline - self.clock.seconds())
            self._timer = self.clock.callLater(wait, self._expire)

    def _expire(self) -> None:
        now = self.clock.seconds()
        for ticket in list(islice(self._queue, BATCH)):
            if ticket.deadline > now:
                break
            ticket.end(Wake.DEADLINE)
            # Its owner closes it too, but perhaps only after a slow answer of the store.
            self.forget(ticket)
        self._schedule()
