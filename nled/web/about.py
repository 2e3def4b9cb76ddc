"""What the daemon says of itself on the control port (PROTOCOL.md c.4)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal

from attrs import frozen
from msgspec import Meta, Struct

from nled.actions.thermostats import Thermostats
from nled.domain.access import Need
from nled.domain.entry import Origin
from nled.web.endpoint import Api, Call, Endpoint


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


class Availability(Struct):
    """Whether a device is available, and when it was last heard of; 1970 for never."""

    is_available: bool
    last_seen: Annotated[datetime, Meta(tz=True)]


class Stats(Struct):
    """Counters."""

    devices: DeviceCount
    subscriptions: PollCount
    availability: dict[str, Availability]


class Settings(Struct):
    """What a person needs to bring a thermostat here."""

    api_origin: str
    cloudregisterurl: str
    require_device_pairing: bool
    entry_key_ttl_seconds: int


@frozen
class AboutRoutes:
    """Health, counters and settings.

    Attributes:
        origin: what thermostats are told; looked up anew, since a machine's address may change.
        entry_key_ttl: seconds.
    """

    thermostats: Thermostats
    origin: Callable[[], Origin]
    pairing_required: bool
    entry_key_ttl: int

    def register(self, api: Api) -> None:
        """Add the routes."""
        api.add(
            Endpoint(
                "GET", "/health", self.health, Need.OPEN, "Ask whether the daemon answers", answer=Health
            ),
            Endpoint("GET", "/api/stats", self.stats, Need.READ, "Count devices and polls", answer=Stats),
            Endpoint(
                "GET", "/api/config", self.config, Need.READ, "See how thermostats come here", answer=Settings
            ),
        )

    def health(self, _call: Call) -> Health:
        """Say that the process answers; nothing else is looked at."""
        return Health()

    async def stats(self, call: Call) -> Stats:
        """Count what the caller may see."""
        contacts = await self.thermostats.contacts(call.principal)
        polls = self.thermostats.hub.counts()
        held = [polls[serial] for serial in contacts if serial in polls]
        return Stats(
            DeviceCount(len(contacts), sum(each.available for each in contacts.values()), list(contacts)),
            PollCount(sum(held), len(held)),
            {
                serial: Availability(each.available, datetime.fromtimestamp((each.seen or 0) // 1000, UTC))
                for serial, each in contacts.items()
            },
        )

    async def config(self, _call: Call) -> Settings:
        """Say which URL a thermostat is to be pointed at."""
        origin = str(self.origin())
        return Settings(origin, f"{origin}/entry", self.pairing_required, self.entry_key_ttl)
