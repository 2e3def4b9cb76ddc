"""What happens to a device, and who waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable


def _no_observer(_kind: str, _detail: str) -> None:
    """Tell nobody."""


@define(eq=False)
class Observed:
    """State, complaints and those who want to hear of them; see `Thermostat` for the words."""

    on_event: Callable[[str, str], None] = field(default=_no_observer, kw_only=True)
    state: str = field(default="booting", init=False)
    violations: list[str] = field(factory=list, init=False)
    _waiting: list[tuple[Callable[[Any], bool], Deferred[None]]] = field(factory=list, init=False)

    def when(self, predicate: Callable[[Any], bool]) -> Deferred[None]:
        """Fires as soon as the predicate, given this device, holds; tried now and after every event."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append((predicate, waiting))
        self._try_waiting()
        return waiting

    def tell(self, kind: str, detail: str) -> None:
        """Something happened."""
        self.on_event(kind, detail)
        self._try_waiting()

    def become(self, state: str) -> None:
        """Enter a state; none follows stopped."""
        if self.state not in {state, "stopped"}:
            self.state = state
            self.tell("state", state)

    def complain(self, what: str, sentence: str) -> None:
        """The server broke a rule when it was asked ``what``."""
        self.violations.append(f"{what}: {sentence}")
        self.tell("violation", self.violations[-1])

    def _try_waiting(self) -> None:
        if not self._waiting:
            return
        ready = [pair for pair in self._waiting if pair[0](self)]
        self._waiting = [pair for pair in self._waiting if pair not in ready]
        for _, waiting in ready:
            waiting.callback(None)
