"""What is wrong just now and needs a person: logged once when it changes, and listed for whoever asks."""

from collections.abc import Callable, Iterator

from attrs import evolve, frozen
from twisted.logger import Logger


@frozen
class Trouble:
    """One thing that is wrong.

    Attributes:
        what: the part concerned, in a word or two, such as `store`.
        since: when it began, in ms since the epoch.
        seen: what is wrong, as a sentence.
        fix: what to do about it, as a sentence.
    """

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
            fresh = evolve(fresh, since=before.since)
        if fresh != before:
            self._all[what] = fresh
            self._log.warn("{what}: {seen} {fix}", what=what, seen=seen, fix=fix)

    def clear(self, what: str) -> None:
        """Say that it is over; does nothing where nothing was wrong."""
        over = self._all.pop(what, None)
        if over is not None:
            seconds = max(0, self._now() - over.since) / 1000
            self._log.info("{what}: it is over, after {seconds:.0f} s.", what=what, seconds=seconds)
