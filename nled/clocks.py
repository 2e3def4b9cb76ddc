"""The two clocks: the wall clock for what is stored, and one that never steps for all that waits."""

import time
from typing import Any, Final

# It goes on while the machine sleeps, as CLOCK_MONOTONIC does not: after an hour of sleep the holds are over,
# as they are for the thermostats, and the wall clock does not seem stepped. Not every system has it.
_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def wall() -> int:
    """Tell the time, in ms since the epoch. It can step, either way: never take it to measure a time span."""
    return time.time_ns() // 1_000_000


def steady() -> float:
    """Tell the seconds since some moment, the same for all processes until the machine is booted again."""
    return time.clock_gettime(_STEADY)


def steady_timers(reactor: Any) -> None:
    """Let all timers of a reactor run on `steady`, before anything is scheduled.

    Twisted's own follow the wall clock: stepped back an hour, it lets none of them end for an hour. There is
    no public way to change that, but a reactor takes the time from its attribute `seconds` alone;
    tests/test_clocks.py fails when Twisted does it otherwise.

    Raises:
        RuntimeError: a timer runs already; it would never end.
    """
    if reactor.getDelayedCalls():
        raise RuntimeError("Timers were scheduled before the reactor got its clock.")
    reactor.seconds = steady
