"""The two clocks: the wall clock for what is stored, and one that never steps for all that waits."""

import time
from typing import Final

# It goes on while the machine sleeps, as CLOCK_MONOTONIC does not: after an hour of sleep the holds are over,
# as they are for the thermostats, and the wall clock does not seem stepped. Not every system has it.
_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def wall() -> int:
    """Tell the time, in ms since the epoch. It can step, either way: never take it to measure a time span."""
    return time.time_ns() // 1_000_000


def steady() -> float:
    """Tell the seconds since some moment, the same for all processes until the machine is booted again."""
    return time.clock_gettime(_STEADY)
