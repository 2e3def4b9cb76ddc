"""How far this process has come in the stream of notices, over whichever connection it reads."""

from collections.abc import Callable
from typing import Final

from attrs import define
from twisted.logger import Logger

from nled.domain.notice import GAP, Notice
from nled.store.events import Events

# Notices read at a time; between two reads the reactor has its turn.
BATCH: Final = 100
# What is behind it is everything there is.
_NOWHERE: Final = "0-0"
_log = Logger()


@define
class Following:
    """Hands on each notice once and in order, or says that some are lost.

    Several readers may be under way: a reply counts only if none of the others has come further meanwhile.

    Attributes:
        heard: takes each notice.
        missed: called when some are lost for good: the stream has gone past them, or is another one.
        position: the id of the last notice that was handed on.
    """

    heard: Callable[[Notice], None]
    missed: Callable[[], None]
    position: str = _NOWHERE

    async def begin(self, events: Events) -> None:
        """Pass over all that is there by now."""
        self.position = await events.last() or _NOWHERE

    async def catch_up(self, events: Events) -> None:
        """Read all that came behind the position."""
        more = True
        while more:
            asked = self.position
            found = await events.since(asked, BATCH)
            if found is None:
                newest = await events.last() or _NOWHERE
                if self.position == asked != newest:
                    self.position = newest
                    self._guarded(self.missed)
                more = self.position not in {asked, newest}
            else:
                more = not self._take(asked, found) or len(found) == BATCH

    async def wait(self, events: Events, ms: int) -> None:
        """Wait for up to `ms` for what comes behind the position, and read it."""
        asked = self.position
        found = await events.after(asked, BATCH, ms)
        if len(found) == BATCH:
            # The stream may have gone past those before them: they are read in the way that tells.
            await self.catch_up(events)
        else:
            self._take(asked, found)

    def _take(self, asked: str, found: list[Notice]) -> bool:
        if self.position != asked:
            return False
        for notice in found:
            self.position = notice.id
            if notice.what == GAP.what:
                self._guarded(self.missed)
            else:
                self._guarded(self.heard, notice)
        return True

    def _guarded(self, hook: Callable[..., None], *args: Notice) -> None:
        # An exception would end the connection, and keep the notices behind this one.
        try:
            hook(*args)
        except Exception:  # noqa: BLE001 - whatever a hook raises
            _log.failure("A notice could not be handled: {notice}", notice=args)
