"""Who sends a request: the address behind the proxies, and what that address alone is trusted with."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from attrs import frozen
from twisted.internet.address import UNIXAddress

from nled.domain.errors import Denied
from nled.web.request import BoundedRequest

_FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip")


@frozen
class Client:
    """A sender.

    Attributes:
        address: the IP address, "local socket" for who came by the unix socket.
        trusted: whether it needs no key to read and write.
        local: whether it came by the unix socket, which gives everything.
    """

    address: str
    trusted: bool = False
    local: bool = False


_LOCAL = Client("local socket", trusted=True, local=True)


class Clients:
    """Tells clients apart by their addresses.

    Args:
        networks: those that need no key, as `192.168.1.0/24`.
        proxies: networks of proxies, whose X-Forwarded-For is believed.
    """

    def __init__(self, networks: Sequence[str], proxies: Sequence[str]) -> None:
        self._networks = tuple(map(ip_network, networks))
        self._proxies = tuple(map(ip_network, proxies))
        # Every request of a connection asks again.
        self._direct = lru_cache(maxsize=1024)(self._judge)

    def of(self, request: BoundedRequest) -> Client:
        """Find out who sends a request.

        Raises:
            Denied: a proxy passes it to the unix socket, which would make everybody an administrator.
        """
        peer = request.getClientAddress()
        headers = request.requestHeaders
        forwarded = any(headers.hasHeader(name) for name in _FORWARDED)
        if isinstance(peer, UNIXAddress):
            if forwarded:
                raise Denied(
                    "control.socket gives full access, so it takes nothing that a proxy forwards; let the "
                    "proxy connect to control.port, and name it in control.trusted_proxies."
                )
            return _LOCAL
        host: str = getattr(peer, "host", "")
        if not forwarded:
            return self._direct(host)
        lines = headers.getRawHeaders(b"x-forwarded-for") or ()
        return self._behind(host, b",".join(lines).decode("ascii", "replace").split(","))

    def _judge(self, host: str) -> Client:
        address = _address(host)
        # A proxy's own address says nothing of who is behind it.
        trusted = address is not None and _within(address, self._networks) and not self._is_proxy(address)
        return Client(host if address is None else str(address), trusted)

    def _behind(self, host: str, chain: list[str]) -> Client:
        """Find the right-most address that is no proxy of ours: what stands left of it, anybody can write."""
        peer = _address(host)
        if peer is None or not self._is_proxy(peer):
            # From a proxy that nobody told us of, or from somebody who pretends: only a key helps.
            return Client(host if peer is None else str(peer))
        for text in reversed(chain):
            address = _address(text.strip())
            if address is None:
                break
            if not self._is_proxy(address):
                return self._judge(str(address))
        return Client(str(peer))

    def _is_proxy(self, address: IPv4Address | IPv6Address) -> bool:
        return _within(address, self._proxies)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket that listens on :: sees IPv4 clients so.
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _within(address: IPv4Address | IPv6Address, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)
