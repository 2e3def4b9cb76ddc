"""Thermostats that nobody keeps, and arrivals, for administrators."""

from typing import Literal

from attrs import frozen
from msgspec import Struct

from nled.actions.strangers import Crowd
from nled.domain.access import Need
from nled.domain.strangers import Stranger
from nled.web.endpoint import Api, Call, Endpoint


class StrangerInfo(Struct):
    """A serial, the address it came from last, and when (ms). Of IPv6 the address is its /64."""

    serial: str
    address: str
    last_seen: int


class ArrivalList(Struct):
    """The serials that only asked for a code or said their entry, the longest unheard first.

    With `pairing.required` also all thermostats that nobody owns, which `/api/devices` does not list then.
    """

    arrivals: list[StrangerInfo]


class UnownedList(Struct):
    """The thermostats that nobody owns or has commanded, the longest unheard first."""

    devices: list[StrangerInfo]


class ForgottenDevices(Struct, kw_only=True):
    """How many were forgotten."""

    success: Literal[True] = True
    forgotten: int


@frozen
class StrangerRoutes:
    """The routes."""

    crowd: Crowd

    def register(self, api: Api) -> None:
        """Add the routes."""
        unowned = "/api/unowned-devices"
        api.add(
            Endpoint(
                "GET",
                "/api/arrivals",
                self.arrivals,
                Need.ADMIN,
                "List serials that wait to be claimed and are in no list of thermostats",
                answer=ArrivalList,
            ),
            Endpoint(
                "GET",
                unowned,
                self.unowned,
                Need.ADMIN,
                "List thermostats that nobody owns or has commanded",
                answer=UnownedList,
            ),
            Endpoint(
                "DELETE",
                unowned,
                self.forget,
                Need.ADMIN,
                "Forget the thermostats that nobody owns or has commanded",
                answer=ForgottenDevices,
            ),
        )

    async def arrivals(self, _call: Call) -> ArrivalList:
        """List them without their codes: a code lets whoever has it claim."""
        return ArrivalList(_infos(await self.crowd.arrivals()))

    async def unowned(self, _call: Call) -> UnownedList:
        """List them."""
        return UnownedList(_infos(await self.crowd.unowned()))

    async def forget(self, call: Call) -> ForgottenDevices:
        """Forget them. One that is a thermostat comes again, as new."""
        return ForgottenDevices(forgotten=await self.crowd.forget(call.principal))


def _infos(strangers: list[Stranger]) -> list[StrangerInfo]:
    return [StrangerInfo(each.serial, each.address, each.seen) for each in strangers]
