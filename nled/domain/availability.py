"""Whether a device counts as online.

A thermostat that is well holds a poll, or has just ended one: each poll begins with a contact and is held for
less than the window, so silence for longer means that it is gone.
"""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct

LEAST_WINDOW = 300_000
_GRACE = 10_000


def window(hold: float) -> int:
    """How long a device may be silent, in ms, where a poll is held for `hold` s."""
    return max(LEAST_WINDOW, round(hold * 1000) + _GRACE)


def available(seen: int | None, now: int, window_ms: int) -> bool:
    """Whether a device last heard of at `seen` (ms, None for never) counts as online.

    A contact far ahead of now is one of a clock that was wrong, or is: a machine without one of its own comes
    back up to an hour behind.
    """
    return seen is not None and abs(now - seen) < window_ms


class Availability(Struct, frozen=True):
    """Whether a device is available, and when it was last heard of; 1970 for never."""

    is_available: bool
    last_seen: Annotated[datetime, Meta(tz=True)]


def availability(seen: int | None, now: int, window_ms: int) -> Availability:
    """Say this of a device last heard of at `seen`, as `available` has it."""
    return Availability(available(seen, now, window_ms), datetime.fromtimestamp((seen or 0) // 1000, UTC))
