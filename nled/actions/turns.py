"""Turns: whoever came first goes first, and those who come later wait in the order in which they came."""

from collections import deque

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure


@define(eq=False)
class _Line:
    """Those who wait behind the one whose turn it is."""

    waiting: deque[Deferred[None]] = field(factory=deque)
    passing: bool = False
    left: bool = False


@define
class Turns:
    """Lines by name. Whoever joined one, and has their turn, leaves it in a `finally`.

    Attributes:
        clock: for `patience`.
        patience: seconds to wait for a turn.
        most: how many may wait in one line.
    """

    clock: IReactorTime
    patience: float
    most: int
    _lines: dict[str, _Line] = field(factory=dict)

    def __len__(self) -> int:
        return len(self._lines)

    def join(self, name: str) -> Deferred[None] | None:
        """Take the turn if nobody has it, else return what to wait for: TimeoutError after `patience`.

        Raises:
            OverflowError: too many wait already.
        """
        line = self._lines.get(name)
        if line is None:
            # So it nearly always is, and then it costs neither a Deferred nor a timer.
            self._lines[name] = _Line()
            return None
        if len(line.waiting) >= self.most:
            raise OverflowError
        # The canceller runs for a timeout too: whoever has given up is never called.
        turn: Deferred[None] = Deferred(line.waiting.remove)
        line.waiting.append(turn)
        return turn.addTimeout(self.patience, self.clock)

    def leave(self, name: str) -> None:
        """Pass the turn on."""
        line = self._lines[name]
        line.left = True
        if line.passing:
            # Called by the next one, who has left at once; a long line would nest too deeply.
            return
        line.passing = True
        while line.left and line.waiting:
            line.left = False
            line.waiting.popleft().callback(None)
        line.passing = False
        if line.left:
            del self._lines[name]

    def dismiss(self, name: str, why: Failure) -> None:
        """Fail all who wait in a line."""
        waiting = self._lines[name].waiting
        while waiting:
            waiting.popleft().errback(why)
