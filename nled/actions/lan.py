"""Thermostats on the local network: find them, point them to this server, and back (protocol g.5, g.6)."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address

from attrs import frozen
from twisted.logger import Logger

from nled.domain.access import Principal
from nled.domain.entry import Origin
from nled.domain.errors import BadRequest, Denied, NotKnown
from nled.domain.lan import endpoint_of, parse_api_key, register_url, settable
from nled.lan.networks import Attached, neighbour
from nled.lan.scan import Found, Scan, Scanner
from nled.lan.settings_api import Reply, SettingsApi
from nled.store.client import StoreRefused
from nled.store.lan import Neighbours

_log = Logger()


@frozen
class Seen:
    """A thermostat on the network: whether it is pointed to this server, its serial where that is known."""

    ip: str
    register_url: str
    configured: bool
    serial: str | None


@frozen
class Pointed:
    """What a thermostat answered to being pointed somewhere; `previous` is where it was pointed before."""

    reply: Reply
    endpoint: str
    previous: str | None


@frozen
class Lan:
    """The use cases, for those whose concern is the whole installation; others are Denied.

    Each raises StoreUnavailable when the store cannot be had.

    Attributes:
        networks: those this machine is attached to.
        own: our own address, where one is known without looking at the networks.
        origin: what devices are told; None for our own address on the network they are on.
        port: of the device side, for that.
    """

    api: SettingsApi
    scanner: Scanner
    neighbours: Neighbours
    networks: Callable[[], Sequence[Attached]]
    own: Callable[[], str | None]
    origin: Origin | None
    port: int

    async def scan(self, who: Principal) -> tuple[Scan, tuple[Seen, ...]]:
        """Look for thermostats, or wait for the look that somebody else takes just now.

        Raises:
            BadRequest: there is no network to look through.
        """
        _check(who)
        scan = await self.scanner.scan()
        if not scan.networks:
            raise BadRequest(
                "Cannot derive subnet: this machine is attached to no private IPv4 network; "
                "configure a thermostat by its own settings page."
            )
        return scan, await self._seen(scan)

    async def progress(self, who: Principal) -> tuple[Scan, tuple[Seen, ...]]:
        """Return how far the scan that runs, or the last one, has come."""
        _check(who)
        return self.scanner.last, await self._seen(self.scanner.last)

    async def configure(self, who: Principal, ip: str, api_key: str | None) -> Pointed:
        """Point the thermostat at `ip` to this server, and remember where it was pointed before.

        Without a key this is tried with the password by which it is known here, then with the key that it
        tells to who knows its serial.

        Raises:
            BadRequest: the address is none of a neighbour, or the key cannot be one.
            Conflict: this server's origin is nothing a thermostat takes.
            Unreachable, Silent: there is no thermostat, or it does not answer.
        """
        _check(who)
        address, network = neighbour(ip, self.networks())
        given = None if api_key is None else parse_api_key(api_key)
        endpoint = settable(self._origin(network))
        previous = await self.api.register_url(address)
        serial = await self._serial(address)
        if previous is not None and previous != f"{endpoint}/entry":
            await self.neighbours.remember(str(address), serial, previous)
        return Pointed(await self._point(address, serial, given, endpoint), endpoint, previous)

    async def restore(self, who: Principal, ip: str, api_key: str | None) -> Pointed:
        """Point a thermostat back to where it was before `configure`; raises the same and NotKnown."""
        _check(who)
        address, _ = neighbour(ip, self.networks())
        given = None if api_key is None else parse_api_key(api_key)
        serial = await self._serial(address)
        previous = await self.neighbours.previous(str(address), serial)
        if previous is None:
            raise NotKnown(f"Nothing is remembered of {address}: it was not pointed here by this server.")
        endpoint = endpoint_of(previous)
        reply = await self._point(address, serial, given, endpoint)
        if reply.status == 200:  # noqa: PLR2004
            # It was pointed back, whatever can be written of that; what is remembered does no harm.
            with suppress(StoreRefused):
                await self.neighbours.restored(str(address), serial)
        return Pointed(reply, endpoint, previous)

    def advertised(self) -> Origin:
        """Say where thermostats find this server: as set, else by our own address.

        That is the one it listens on, or that of the default route, or the one on the first network.
        """
        if self.origin is not None:
            return self.origin
        networks = self.networks()
        address = self.own() or (str(networks[0].address) if networks else "127.0.0.1")
        return Origin("http", address, self.port)

    async def stop(self) -> None:
        """End a scan that runs."""
        await self.scanner.stop()

    async def _point(self, address: IPv4Address, serial: str | None, key: str | None, endpoint: str) -> Reply:
        reply = Reply(401, None)
        if key is None and serial is not None:
            secret = await self.neighbours.secret(serial)
            if secret is not None:
                reply = await self.api.configure(address, secret, endpoint)
            if reply.status == 401:  # noqa: PLR2004
                key = await self.api.initialize(address, serial)
        if key is not None:
            reply = await self.api.configure(address, key, endpoint)
        _log.info(
            "{ip}: pointed to {endpoint}, it answered {status}.",
            ip=address,
            endpoint=endpoint,
            status=reply.status,
        )
        return reply

    async def _serial(self, address: IPv4Address) -> str | None:
        return (await self.neighbours.by_address()).get(str(address))

    async def _seen(self, scan: Scan) -> tuple[Seen, ...]:
        serials = await self.neighbours.by_address() if scan.found else {}
        return tuple(self._as_seen(each, serials.get(str(each.ip))) for each in scan.found)

    def _as_seen(self, found: Found, serial: str | None) -> Seen:
        here = register_url(self._origin(found.network))
        return Seen(str(found.ip), found.register_url, found.register_url == here, serial)

    def _origin(self, network: Attached) -> Origin:
        return self.origin or Origin("http", str(network.address), self.port)


def _check(who: Principal) -> None:
    if who.user is not None or who.devices is not None:
        raise Denied("The network is not for a key of one user or for some devices only.")
