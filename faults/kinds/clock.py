"""A clock that is stepped, under the daemon and its store alike."""

import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest

from faults.kind import Kind
from faults.world import World
from tests.live.faketime import FakeClock

_HOUR, _YEAR = 3600, 365 * 86400


class ClockStepped(Kind):
    """The clock goes an hour or a year ahead and comes back, or the other way round."""

    name = "clock-stepped"
    world = "clock"
    line = r"The clock was stepped (ahead|back)"
    # There, and back.
    lines = 2
    stands = True
    # It compares the server's clock with its own.
    complaints = ("X-nl-service-timestamp is", "expires is only", "before its time")
    refuses = False
    codes_end = True
    _steps = (_HOUR, -_HOUR, _YEAR, -_YEAR)
    _turn = 0

    def missing(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            try:
                FakeClock(Path(folder))
            except SkipTest as skip:
                return str(skip)
        return ""

    async def inject(self, world: World) -> None:
        step = self._steps[ClockStepped._turn % len(self._steps)]
        ClockStepped._turn += 1
        await self._step(world, step)
        await world.traffic()

    async def heal(self, world: World) -> None:
        await self._step(world, 0)

    async def _step(self, world: World, ahead: int) -> None:
        # A setpoint that was not taken when the clock steps counts as too old.
        await world.quiet()
        await world.until(lambda: not any(world.lacks(home.device) for home in world.homes), "all is taken")
        assert world.clock is not None
        place = world.service.log_size
        world.clock.step(ahead)
        world.go_on()
        await world.until(lambda: world.service.said(self.line, place), "the step is noticed")
