"""Thermostats on the local network: scan, configure, restore (protocol g.6)."""

from collections.abc import Sequence
from typing import Literal

from attrs import frozen
from msgspec import UNSET, Struct, UnsetType

from nled.actions.lan import Lan, Pointed, Seen
from nled.domain.access import Need
from nled.domain.shapes import Address, PageKey
from nled.web.endpoint import Api, Call, Endpoint, error_answer
from nled.web.router import Answer

_GOOD, _UNAUTHORIZED = 200, 401
# Statuses that say what the client did wrong; any other is the thermostat's own trouble.
_MISTAKES = range(400, 500)
_BAD_GATEWAY = 502


class Unit(Struct):
    """A thermostat on the network; `configured`: it looks for its server here.

    `device_name` is always null, since a settings page tells none, but clients look for it.
    """

    ip: str
    device_name: None
    cloudregisterurl: str
    configured: bool
    serial: str | UnsetType = UNSET


class Found(Struct):
    """What a scan found; `subnets` are all the networks, `subnet` the first of them."""

    devices: list[Unit]
    subnet: str
    subnets: list[str]


class Progress(Struct):
    """How far a scan has come, in addresses."""

    running: bool
    probed: int
    total: int
    devices: list[Unit]


class Neighbour(Struct):
    """A thermostat's address, and the key of its settings page where it is not known here."""

    ip: Address
    api_key: PageKey | None = None


class Configured(Struct):
    """Where a thermostat looks for its server now, and where it did before."""

    device_name: str | None
    cloudregisterurl: str
    previous: str | None
    success: Literal[True] = True


class KeyWanted(Struct):
    """The thermostat wants a key that is not known here."""

    message: str
    error: str
    success: Literal[False] = False
    auth_required: Literal[True] = True


@frozen
class LanRoutes:
    """Scan, configure and restore."""

    lan: Lan

    def register(self, api: Api) -> None:
        """Add the routes."""
        missing = {"ip": "Missing ip"}
        refusals = (401, 403, 404, 409, 502, 504)
        api.add(
            Endpoint(
                "POST",
                "/api/scan-network",
                self.scan,
                Need.WRITE,
                "Look for thermostats on the attached networks; joins a scan that runs",
                answer=Found,
                statuses=(403,),
            ),
            Endpoint(
                "GET",
                "/api/scan-network",
                self.progress,
                Need.WRITE,
                "How far the scan that runs, or the last one, has come",
                answer=Progress,
                statuses=(403,),
            ),
            Endpoint(
                "POST",
                "/api/configure-nest",
                self.configure,
                Need.WRITE,
                "Point a thermostat on the network to this server",
                body=Neighbour,
                answer=Configured,
                statuses=refusals,
                missing=missing,
            ),
            Endpoint(
                "POST",
                "/api/restore-nest",
                self.restore,
                Need.WRITE,
                "Point a thermostat back to where it was before it was configured here",
                body=Neighbour,
                answer=Configured,
                statuses=refusals,
                missing=missing,
            ),
        )

    async def scan(self, call: Call) -> Found:
        """Look for thermostats on the attached networks; joins a scan that runs."""
        scan, seen = await self.lan.scan(call.principal)
        subnets = [str(network.scanned) for network in scan.networks]
        return Found(_units(seen), subnets[0], subnets)

    async def progress(self, call: Call) -> Progress:
        """Tell how far the scan that runs, or the last one, has come."""
        scan, seen = await self.lan.progress(call.principal)
        return Progress(scan.running, scan.probed, scan.total, _units(seen))

    async def configure(self, call: Call) -> Configured | Answer:
        """Point a thermostat here."""
        return _answer(await self.lan.configure(call.principal, call.body.ip, call.body.api_key))

    async def restore(self, call: Call) -> Configured | Answer:
        """Point a thermostat back."""
        return _answer(await self.lan.restore(call.principal, call.body.ip, call.body.api_key))


def _units(seen: Sequence[Seen]) -> list[Unit]:
    return [Unit(each.ip, None, each.register_url, each.configured, each.serial or UNSET) for each in seen]


def _answer(pointed: Pointed) -> Configured | Answer:
    reply = pointed.reply
    if reply.status == _GOOD and reply.content is not None:
        url = reply.text("cloudregisterurl") or f"{pointed.endpoint}/entry"
        return Configured(reply.text("device_name"), url, pointed.previous)
    if reply.status == _UNAUTHORIZED:
        told = "The thermostat wants its API key: give the one on its settings page as api_key."
        return Answer.json(KeyWanted(told, told), _UNAUTHORIZED)
    said = reply.text("status")
    told = f"The thermostat did not take {pointed.endpoint}: {said or f'status {reply.status}'}."
    return error_answer(told, reply.status if reply.status in _MISTAKES else _BAD_GATEWAY)
