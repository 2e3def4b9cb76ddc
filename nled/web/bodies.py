"""How much room the bodies have that are under way on a port, together and from one address."""

from collections import Counter
from collections.abc import Callable

from attrs import define, field

# Bytes on all connections of a port; a storm of thermostats takes 10 MB.
MOST = 64 * 1024 * 1024
# And from one address, or whoever sends slowly would keep out everybody else.
MOST_FROM_ONE = MOST // 4
# What is worth giving back to the system once it is free.
_MUCH = 4 * 1024 * 1024


def _nothing() -> None:
    pass


@define(eq=False)
class Bodies:
    """Counts what is kept.

    Attributes:
        on_relief: called when much was kept, and little of it is left.
        held: bytes.
        held_from: by address; nothing of those who have none.
    """

    on_relief: Callable[[], None] = _nothing
    held: int = 0
    held_from: Counter[str] = field(factory=Counter)
    _much: bool = False

    def keep(self, sender: str, size: int) -> None:
        """Count a piece that is kept."""
        self.held += size
        self.held_from[sender] += size
        self._much = self._much or self.held > _MUCH

    def let_go(self, sender: str, size: int) -> None:
        """Count what is kept no longer."""
        self.held -= size
        self.held_from[sender] -= size
        if not self.held_from[sender]:
            del self.held_from[sender]
        if self._much and self.held < _MUCH // 4:
            self._much = False
            self.on_relief()

    def too_many(self, sender: str) -> bool:
        """Tell whether no more may be kept of somebody."""
        return self.held > MOST or self.held_from[sender] > MOST_FROM_ONE
