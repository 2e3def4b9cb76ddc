"""What is wrong just now and needs a person: logged once when it changes, and listed for whoever asks."""

from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace
from twisted.logger import Logger


class Trouble(Struct, frozen=True):
    """One thing that is wrong: the part concerned, since when, what was seen, and what to do about it."""

    what: str
    since: int
    seen: str
    fix: str


class Troubles:
    """All troubles of one daemon, one for each part at a time."""

    _log = Logger()

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._all: dict[str, Trouble] = {}

    def __iter__(self) -> Iterator[Trouble]:
        """Go through the troubles, the oldest first."""
        return iter(tuple(self._all.values()))

    def report(self, what: str, seen: str, fix: str) -> None:
        """Say that something is wrong; the same again says nothing new."""
        before = self._all.get(what)
        fresh = Trouble(what, self._now(), seen, fix)
        if before is not None:
            fresh = replace(fresh, since=before.since)
        if fresh != before:
            self._all[what] = fresh
            self._log.warn("{what}: {seen} {fix}", what=what, seen=seen, fix=fix)

    def clear(self, what: str) -> None:
        """Say that it is over; does nothing where nothing was wrong."""
        over = self._all.pop(what, None)
        if over is not None:
            seconds = max(0, self._now() - over.since) / 1000
            self._log.info("{what}: it is over, after {seconds:.0f} s.", what=what, seconds=seconds)
