"""What the daemon says of itself on the control port (protocol c.4)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from attrs import frozen
from msgspec import Struct

from nled.actions.thermostats import Thermostats
from nled.domain.access import Need
from nled.domain.availability import Availability
from nled.domain.entry import Origin
from nled.troubles import Trouble
from nled.web.endpoint import Api, Call, Endpoint
from nled.web.router import Answer


class Health(Struct):
    """That the process answers."""

    status: Literal["ok"] = "ok"


class DeviceCount(Struct):
    """How many devices there are, and which."""

    total: int
    available: int
    serials: list[str]


class PollCount(Struct):
    """How many polls this process holds, and of how many devices."""

    total_subscriptions: int
    devices_with_subscriptions: int


class Stats(Struct):
    """Counters."""

    devices: DeviceCount
    subscriptions: PollCount
    availability: Mapping[str, Availability]


class Settings(Struct):
    """What a person needs to bring a thermostat here."""

    api_origin: str
    cloudregisterurl: str
    require_device_pairing: bool
    entry_key_ttl_seconds: int


class TroubleList(Struct):
    """What is wrong now and needs a person, the oldest first."""

    troubles: list[Trouble]


class Description:
    """The description of an API, made when it is first asked for."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._answer: Answer | None = None

    def endpoint(self) -> Endpoint:
        """Make the endpoint that gives it."""
        path, summary = "/openapi.json", "Describe this API (OpenAPI 3.1)"
        return Endpoint("GET", path, self.openapi, Need.OPEN, summary, answer=dict)

    def openapi(self, _call: Call) -> Answer:
        """Describe every endpoint, from the types that decode their requests."""
        if self._answer is None:
            # Only here: few ask, and what makes schemas takes memory.
            from nled.web.openapi import describe  # noqa: PLC0415

            self._answer = Answer.json(describe(self._api.endpoints))
        return self._answer


@frozen
class AboutRoutes:
    """Health, counters, settings, and the description of all that there is.

    Attributes:
        troubles: what is wrong just now.
        origin: what thermostats are told; looked up anew, since a machine's address may change.
        entry_key_ttl: seconds.
    """

    thermostats: Thermostats
    troubles: Iterable[Trouble]
    origin: Callable[[], Origin]
    pairing_required: bool
    entry_key_ttl: int

    def register(self, api: Api) -> None:
        """Add the routes."""
        api.add(
            Description(api).endpoint(),
            Endpoint(
                "GET", "/health", self.health, Need.OPEN, "Ask whether the daemon answers", answer=Health
            ),
            Endpoint("GET", "/api/stats", self.stats, Need.READ, "Count devices and polls", answer=Stats),
            Endpoint(
                "GET", "/api/config", self.config, Need.READ, "See how thermostats come here", answer=Settings
            ),
            Endpoint(
                "GET",
                "/api/troubles",
                self.list_troubles,
                Need.ADMIN,
                "List what is wrong now and needs a person",
                answer=TroubleList,
            ),
        )

    def health(self, _call: Call) -> Health:
        """Say that the process answers; nothing else is looked at."""
        return Health()

    def list_troubles(self, _call: Call) -> TroubleList:
        """List what is wrong; this works while the store is away."""
        return TroubleList(list(self.troubles))

    async def stats(self, call: Call) -> Stats:
        """Count what the caller may see."""
        contacts = await self.thermostats.contacts(call.principal)
        polls = self.thermostats.hub.counts()
        held = [polls[serial] for serial in contacts if serial in polls]
        return Stats(
            DeviceCount(len(contacts), sum(each.is_available for each in contacts.values()), list(contacts)),
            PollCount(sum(held), len(held)),
            contacts,
        )

    async def config(self, _call: Call) -> Settings:
        """Say which URL a thermostat is to be pointed at."""
        origin = str(self.origin())
        return Settings(origin, f"{origin}/entry", self.pairing_required, self.entry_key_ttl)
