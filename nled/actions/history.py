"""What a thermostat did: its series over a time, and how long its systems ran each day."""

import os
from datetime import UTC, tzinfo
from pathlib import Path

from attrs import frozen

from nled.actions.thermostats import Thermostats
from nled.domain.access import Principal
from nled.domain.errors import BadRequest
from nled.domain.history import Chronicle, Series, moment, parse_series, run_times, thin_all
from nled.store.history import History

# Points of one answer, some 100 kB; a screen has fewer columns.
MOST_POINTS = 5000
_DAY = 86_400_000
_LOCAL = Path("/etc/localtime")


@frozen
class Histories:
    """The use cases of history.

    Attributes:
        kept: for how long points are kept, in ms.
        time_zone: of homes that name none; None for that of this machine.
    """

    thermostats: Thermostats
    history: History
    kept: int
    time_zone: str | None

    async def read(self, who: Principal, serial: str, start: str, end: str, series: str) -> Series:
        """Read what a device did; empty texts stand for the day that ends now, and for all series.

        Start and end are ms since the epoch or ISO 8601, and are cut to what is kept and to now; series are
        names with commas between them. Run times are always given.

        Raises:
            BadRequest: a time that is none or does not come after the other, or no such series.
            NotKnown, Denied: as for everything that is read of a device.
            StoreUnavailable: the store cannot be had.
        """
        wanted = parse_series(series)
        # Its past is kept for a time of its own.
        device = await self.thermostats.one(who, serial, {"structure": ("time_zone",)}, expired=True)
        zone = zone_of(device.home.values.get("time_zone"), self.time_zone, os.environ.get("TZ"))
        now = self.thermostats.now()
        until = moment(end, zone) if end else now
        since = moment(start, zone) if start else min(until, now) - _DAY
        if since > until:
            raise BadRequest("from must be before to.")
        # The store has no times before 1970.
        until = max(0, min(until, now))
        since = min(max(0, since, now - self.kept), until)

        chronicle = Chronicle(since)
        async for at, recorded in self.history.points(serial, since, until):
            chronicle.add(at, recorded)
        found = {name: chronicle.points[name] for name in wanted if name in chronicle.points}
        thinned = sum(map(len, found.values())) > MOST_POINTS
        return Series(
            serial,
            since,
            until,
            getattr(zone, "key", None),
            thinned,
            thin_all(found, MOST_POINTS) if thinned else found,
            run_times(chronicle.points, since, until, zone),
        )


def zone_of(*names: object) -> tzinfo:
    """Find the first zone that this machine knows by its name, else the machine's own."""
    # Only here: it takes memory, and few ask for a history.
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    for name in names:
        if isinstance(name, str) and name:
            try:
                return ZoneInfo(name)
            except (KeyError, ValueError, OSError):
                continue
    try:
        with _LOCAL.open("rb") as file:
            return ZoneInfo.from_file(file, key=str(_LOCAL.resolve()).partition("zoneinfo/")[2] or None)
    except (OSError, ValueError):
        # As the C library has it.
        return UTC
