"""What somebody hears of the devices they may read, from where they left off.

The store remembers notices and the feed hears new ones. A watch listens first and reads what it missed then,
so that nothing is lost in between, nor told twice; it reads again whenever the feed may have lost something.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Container
from contextlib import suppress

import msgspec
from attrs import define, field, frozen
from twisted.internet.task import deferLater
from twisted.logger import Logger

from nled.actions.feed import Feed, Listener
from nled.domain.access import Principal
from nled.domain.errors import Full
from nled.domain.notice import GAP, Notice, place
from nled.store.client import StoreUnavailable
from nled.store.events import Events

# The serials somebody may read now, None for all; raises Refused for one who may not call any more.
Visible = Callable[[Principal], Awaitable[frozenset[str] | None]]

# Where nobody has been: what is behind it is no longer kept.
NOWHERE = "0-0"
# Notices read from the store at a time.
BATCH = 200
# Devices of a home that are told of in one go.
AT_ONCE = 50
# Seconds between two looks at what somebody may read, and between two tries while the store is away.
RECHECK = 60.0
RETRY = 5.0

_log = Logger()


@frozen
class Watches:
    """Opens watches, a bounded number of them, shared fairly among those who watch.

    Attributes:
        most: how many may be open in this process.
    """

    feed: Feed
    events: Events
    visible: Visible
    most: int
    # By who watches, the oldest first.
    _open: "dict[str, list[Watch]]" = field(factory=dict)

    async def open(self, principal: Principal, last: str | None) -> "Watch":
        """Watch from now on, or from behind the notice with the id `last`.

        When there is no room, the oldest watch of whoever has most of them ends, unless that is the caller.

        Raises:
            Full: nobody has more of them than the caller would.
            Refused: the caller may not read any more.
            StoreUnavailable.
        """
        if sum(map(len, self._open.values())) >= self.most:
            self._make_room(principal)
        watch = Watch(self, principal, self.feed.open())
        self._open.setdefault(principal.client, []).append(watch)
        begun = False
        try:
            await watch.begin(last)
            begun = True
        finally:
            if not begun:
                watch.close()
        return watch

    def forget(self, watch: "Watch") -> None:
        """Make room for another."""
        client = watch.client
        if watch in (theirs := self._open.get(client, [])):
            theirs.remove(watch)
            if not theirs:
                del self._open[client]

    def _make_room(self, principal: Principal) -> None:
        theirs = len(self._open.get(principal.client, ()))
        most = max(self._open.values(), key=len)
        if len(most) <= theirs + 1:
            raise Full(
                f"This server has {self.most} event streams open, as many as it may, {theirs} of them yours; "
                "close some, or let one stream serve all."
            )
        _log.info(
            "{client} has {count} event streams: the oldest ends, to make room for {principal}.",
            client=most[0].client,
            count=len(most),
            principal=principal.client,
        )
        most[0].end()


@define(eq=False)
class Watch:
    """One who watches. Close it in a `finally`; one waiter at a time.

    Attributes:
        position: id of the last notice that was looked at, told or not.
    """

    _watches: Watches
    _principal: Principal
    _listener: Listener
    position: str = NOWHERE
    _place: tuple[int, int] = (0, 0)
    # Whether the store may know more than the feed has told.
    _behind: bool = False
    _backlog: deque[Notice] = field(factory=deque)
    # What the last notice is told as, and is not told yet: of a home's, one part for each device.
    _parts: deque[Notice] = field(factory=deque)
    _visible: frozenset[str] | None = frozenset()
    _check_at: float = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing will come any more: the daemon stops, or others need the room."""
        return self._listener.over

    @property
    def client(self) -> str:
        """Who watches, as far as room is shared."""
        return self._principal.client

    async def begin(self, last: str | None) -> None:
        """Find out what may be read and where to start; raises Refused, StoreUnavailable."""
        await self._check()
        if last is None:
            self._move(await self._watches.events.last() or NOWHERE)
            return
        try:
            self._move(last)
        except ValueError:
            self._move(NOWHERE)
        self._behind = True

    async def next(self, seconds: float) -> Notice | None:
        """Give the next notice of a device that may be read; None when there was none within that time.

        A notice of a home is told once for each of its devices that may be read; only the last one has an id,
        since whoever left off before it is told all of them again. GAP says that some are lost for good:
        whoever watches has to look at everything anew.

        Raises:
            Refused: the caller may not read any more.
        """
        end = self._now() + seconds
        while not self.over and (left := end - self._now()) > 0:
            if self._parts:
                if len(self._parts) % AT_ONCE == 0:
                    # A large home is told in batches that leave the reactor room for others.
                    await deferLater(self._watches.feed.clock, 0)
                return self._parts.popleft()
            try:
                notice = await self._any(left)
                if notice is GAP:
                    return notice
                if notice is not None:
                    self._parts.extend(await self._for_them(notice))
            except StoreUnavailable:
                # What was taken and not told is read again.
                self._backlog.clear()
                self._behind = True
                await self._listener.next(min(RETRY, left))
        if self._now() >= self._check_at:
            with suppress(StoreUnavailable):
                await self._check()
        return None

    def end(self) -> None:
        """Let whoever waits know that nothing will come any more, and make room at once."""
        self._listener.end()
        self.close()

    def close(self) -> None:
        """Watch no more; a second time does nothing."""
        self._listener.close()
        self._watches.forget(self)

    async def _any(self, seconds: float) -> Notice | None:
        if self._behind and not self._backlog and not await self._catch_up():
            return GAP
        if self._backlog:
            return self._backlog.popleft()
        notice = await self._listener.next(seconds)
        if notice is GAP:
            self._behind = True
            return None
        return notice

    async def _catch_up(self) -> bool:
        """Read what came behind the position; False if that is no longer kept."""
        found = await self._watches.events.since(self.position, BATCH)
        if found is None:
            self._move(await self._watches.events.last() or NOWHERE)
        self._behind = found is not None and len(found) == BATCH
        self._backlog.extend(found or ())
        return found is not None

    async def _for_them(self, notice: Notice) -> list[Notice]:
        """Give the parts of a notice that they may hear; moves the position behind it."""
        if notice.place <= self._place:
            return []
        before = self._visible
        if notice.what in ("access", "met") or self._now() >= self._check_at:
            await self._check()
        self._move(notice.id)
        # Of a device they lose they are told this last thing.
        parts = [
            part
            for part in (notice.parts if notice.home else (notice,))
            if part.what == "gap" or _has(self._visible, part.serial) or _has(before, part.serial)
        ]
        if parts and notice.home:
            parts[-1] = msgspec.structs.replace(parts[-1], id=notice.id)
        return parts

    async def _check(self) -> None:
        self._visible = await self._watches.visible(self._principal)
        self._check_at = self._now() + RECHECK

    def _move(self, identifier: str) -> None:
        self._place = place(identifier)
        self.position = identifier

    def _now(self) -> float:
        return self._watches.feed.clock.seconds()


def _has(visible: Container[str] | None, serial: str) -> bool:
    return visible is None or serial in visible
