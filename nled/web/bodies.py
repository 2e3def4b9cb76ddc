"""How much room bodies have on a port, together and from one address.

Those that are under way are bounded by their bytes. One that is whole is handled when it has its turn: then
it is decoded, and written anew for the store, which takes several times as much as long as the store does.
"""

from collections import Counter, deque
from collections.abc import Callable

from attrs import define, field

MIB = 1024 * 1024
# Bytes on all connections of a port; a storm of thermostats takes 10 MB.
MOST = 64 * MIB
# And from one address, or whoever sends slowly would keep out everybody else.
MOST_FROM_ONE = MOST // 4
# What is handled at a time takes as much as this, and as much as the last one of them takes.
MOST_IN_HAND = 16 * MIB
MOST_IN_HAND_FROM_ONE = MOST_IN_HAND // 4
# What is worth giving back to the system once it is free.
_MUCH = 4 * MIB


def weight(body: bytes) -> int:
    """Estimate the bytes that a JSON body takes while it is handled: as text, as objects, for the store."""
    return 4 * len(body) + 160 * body.count(b"{") + 48 * (body.count(b"[") + body.count(b","))


@define(eq=False)
class Bodies:
    """Counts what is kept, and says whose turn it is.

    Attributes:
        on_relief: called when much was kept, and little of it is left.
        held: bytes of bodies, also of those in hand.
        held_from: by address; nothing of those who have none.
        in_hand, in_hand_from: the weight of those that are handled.
    """

    on_relief: Callable[[], None]
    held: int = 0
    held_from: Counter[str] = field(factory=Counter)
    in_hand: int = 0
    in_hand_from: Counter[str] = field(factory=Counter)
    _queues: dict[str, deque[tuple[int, Callable[[], None]]]] = field(factory=dict)
    _much: bool = False
    _calling: bool = False

    def keep(self, sender: str, size: int) -> None:
        """Count a piece that is kept."""
        self.held += size
        self.held_from[sender] += size
        self._much = self._much or self.held > _MUCH

    def let_go(self, sender: str, size: int) -> None:
        """Count what is kept no longer."""
        self.held -= size
        _subtract(self.held_from, sender, size)
        if self._much and self.held < _MUCH // 4:
            self._much = False
            self.on_relief()

    def too_many(self, sender: str) -> bool:
        """Tell whether no more may be kept of somebody."""
        return self.held > MOST or self.held_from[sender] > MOST_FROM_ONE

    def take_turn(self, sender: str, size: int, go: Callable[[], None]) -> None:
        """Call `go` when a body of that weight may be handled, which is mostly now."""
        if self._may(sender):
            self._call(sender, size, go)
        else:
            self._queues.setdefault(sender, deque()).append((size, go))

    def end_turn(self, sender: str, size: int) -> None:
        """Count a body as handled, and call those whose turn it is."""
        self.in_hand -= size
        _subtract(self.in_hand_from, sender, size)
        if self._calling or not self._queues:
            return
        # One that is handled at once comes back here: a loop, for they would be too many for calls in calls.
        self._calling = True
        try:
            while (next_one := next(filter(self._may, self._queues), None)) is not None:
                queue = self._queues.pop(next_one)
                waiting = queue.popleft()
                if queue:
                    # Behind the other addresses.
                    self._queues[next_one] = queue
                self._call(next_one, *waiting)
        finally:
            self._calling = False

    def _may(self, sender: str) -> bool:
        return self.in_hand < MOST_IN_HAND and self.in_hand_from[sender] < MOST_IN_HAND_FROM_ONE

    def _call(self, sender: str, size: int, go: Callable[[], None]) -> None:
        self.in_hand += size
        self.in_hand_from[sender] += size
        go()


def _subtract(counter: Counter[str], sender: str, size: int) -> None:
    counter[sender] -= size
    if not counter[sender]:
        del counter[sender]
