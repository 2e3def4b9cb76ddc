"""A clock that is stepped, under the daemon and its store alike."""

from pathlib import Path

from faults.kind import Kind
from faults.world import World

_HOUR, _YEAR = 3600, 365 * 86400


def library() -> Path | None:
    """Find Debian's libfaketime."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return found[0] if found else None


def environment(clock: Path) -> dict[str, str]:
    """What lets a program and its children follow the clock of a file."""
    clock.write_text("+0\n")
    found = library()
    return (
        {
            "LD_PRELOAD": str(found),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            # Only the wall clock is stepped.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        if found
        else {}
    )


class ClockStepped(Kind):
    """The clock goes an hour or a year ahead and comes back, or the other way round."""

    name = "clock-stepped"
    world = "clock"
    # What was acknowledged stays and timers run: nobody has to do anything. The line is a warning.
    line = r"clock.*(stepped|jumped|ahead|back)"
    # It compares the server's clock with its own.
    complaints = ("X-nl-service-timestamp is", "expires is only", "before its time")
    refuses = False
    _steps = (_HOUR, -_HOUR, _YEAR, -_YEAR)
    _turn = 0

    def missing(self) -> str:
        return "" if library() else "needs libfaketime (apt install faketime)"

    async def inject(self, world: World) -> None:
        step = self._steps[ClockStepped._turn % len(self._steps)]
        ClockStepped._turn += 1
        self._set(world, step)
        await world.traffic()
        await world.pause(1)

    async def heal(self, world: World) -> None:
        self._set(world, 0)

    def _set(self, world: World, step: int) -> None:
        new = world.folder / "clock.new"
        new.write_text(f"{step:+d}\n")
        new.rename(world.folder / "clock")
