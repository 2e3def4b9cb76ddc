"""`GET /api/history`: the series of a thermostat, and its run times."""

from attrs import frozen
from msgspec import Struct, field

from nled.actions.history import Histories
from nled.domain.access import Need
from nled.domain.history import Series
from nled.domain.shapes import Moment, Serial, SeriesNames
from nled.web.control import serial_of
from nled.web.endpoint import Api, Call, Endpoint


class Wanted(Struct):
    """Which device, from when to when (ms since the epoch or ISO 8601), and which series."""

    serial: Serial
    since: Moment = field(name="from", default="")
    to: Moment = ""
    fields: SeriesNames = ""


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
        return await self.archive.read(call.principal, serial, query.since, query.to, query.fields)
