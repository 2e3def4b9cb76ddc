"""`GET /api/history`: the series of a thermostat, and its run times."""

from attrs import frozen
from msgspec import Struct, field

from nled.actions.history import Histories
from nled.domain.access import Need
from nled.domain.history import RunTime
from nled.domain.shapes import Moment, Serial, SeriesNames
from nled.web.control import serial_of
from nled.web.endpoint import Api, Call, Endpoint


class Wanted(Struct):
    """Which device, from when to when (ms since the epoch or ISO 8601), and which series."""

    serial: Serial
    since: Moment = field(name="from", default="")
    to: Moment = ""
    fields: SeriesNames = ""


class Series(Struct):
    """The points of each series as [ms, value]; each holds until the next, the first since `from`.

    The series are temperature, humidity, target, low, high, mode, heating, cooling, fan, away and online. A
    device that went offline counts as off from its last contact on. Run times are in seconds per day of
    `time_zone`, as far as the day lies between `from` and `to`. `thinned` says that not all points are given,
    but the least and the greatest of each stretch.
    """

    serial: str
    since: int = field(name="from")
    to: int
    time_zone: str | None
    thinned: bool
    points: dict[str, list[tuple[int, float | bool | str]]]
    run_times: list[RunTime]


@frozen
class HistoryRoutes:
    """The route of history."""

    archive: Histories

    def register(self, api: Api) -> None:
        """Add the route."""
        api.add(
            Endpoint(
                "GET",
                "/api/history",
                self.history,
                Need.READ,
                "Read what a thermostat did",
                query=Wanted,
                answer=Series,
                statuses=(404,),
                missing={"serial": "Serial parameter required"},
            )
        )

    async def history(self, call: Call) -> Series:
        """Read the last 24 hours, or those `from` - `to`; all series, or the `fields`, with commas."""
        query: Wanted = call.query
        serial = serial_of(query.serial)
        past = await self.archive.read(call.principal, serial, query.since, query.to, query.fields)
        return Series(
            serial=serial,
            since=past.start,
            to=past.end,
            time_zone=past.zone,
            thinned=past.thinned,
            points={name: list(points) for name, points in past.points.items()},
            run_times=list(past.run_times),
        )
