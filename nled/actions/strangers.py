"""Made-up serials, and thermostats that nobody keeps: seen, forgotten, and told of when room is short."""

from collections.abc import Callable

from attrs import define
from twisted.logger import Logger

from nled.domain.access import Principal
from nled.domain.strangers import Stranger
from nled.store.strangers import Pressure, Strangers, Why
from nled.troubles import Troubles

# ms without another one that had to give way, after which it is over.
CALM = 3_600_000
_WHAT = "strangers"
_SEEN: dict[Why, str] = {
    "arrivals": "More serials asked for a code than are remembered; the longest unheard were forgotten.",
    "address": "One address had more thermostats that nobody keeps than limits.strangers_per_address allows.",
    "devices": "There was no room for more thermostats (limits.devices); those that nobody keeps made room.",
    "bytes": "The thermostats that nobody keeps used up their share of the memory.",
}
_FIX = (
    "If that address is no friend of yours, keep it from the device port; `nledctl devices forget --unowned` "
    "clears up. Claim the thermostats that are yours: they never give way."
)
_log = Logger()


@define
class Crowd:
    """The use cases; each raises StoreUnavailable when the store cannot be had.

    Args:
        now: ms since the epoch.
        paired_only: whether lists of devices have owned ones only, so that the others are to be seen here.
    """

    _strangers: Strangers
    _troubles: Troubles
    _now: Callable[[], int]
    _paired_only: bool
    _told: bool = False

    async def look(self) -> bool:
        """Put things in order, and tell of pressure; returns whether there is more to put in order."""
        now = self._now()
        more, pressure = await self._strangers.settle(now)
        # Not compared from one side only: a clock that was ahead must not leave it standing for years.
        if pressure is None or abs(now - pressure.at) > CALM:
            self._troubles.clear(_WHAT)
            self._told = False
        elif not self._told:
            # The first sentence stands until it is over, or a flood would have a line each time we look.
            self._told = True
            self._troubles.report(_WHAT, _seen(pressure), _FIX)
        return more

    async def arrivals(self) -> list[Stranger]:
        """List who waits to be claimed and is in no list of devices."""
        return await self._strangers.arrivals(self._now(), waiting=self._paired_only)

    async def unowned(self) -> list[Stranger]:
        """List the devices that nobody owns or has commanded."""
        return await self._strangers.unowned(self._now())

    async def forget(self, who: Principal) -> int:
        """Forget the devices that `unowned` lists; returns how many there were."""
        forgotten = await self._strangers.forget(self._now())
        _log.info(
            "{count} thermostats that nobody owns forgotten, as {who} asked.", count=forgotten, who=who.name
        )
        return forgotten


def _seen(pressure: Pressure) -> str:
    where = f" Most of them came from {pressure.address}." if pressure.address else ""
    return _SEEN[pressure.why] + where
