"""The private IPv4 networks this machine is directly attached to.

Asked of the kernel by ioctl: `getifaddrs`, which libraries use, needs a netlink socket, and the daemon's
unit allows none. The one library for it, ifaddr 0.2 of 2022, does not tell which interfaces are up, and runs
programs such as ldconfig when it is imported.
"""

import fcntl
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from attrs import frozen

from nled.domain.errors import BadRequest

_SIOCGIFCONF, _SIOCGIFFLAGS, _SIOCGIFNETMASK = 0x8912, 0x8913, 0x891B
_UP = 1
# struct ifreq: a name of 16 bytes, and a union as large as its largest member.
_IFREQ = 40 if struct.calcsize("P") == 8 else 32  # noqa: PLR2004 - bytes of a pointer
_MOST_ADDRESSES = 256

_PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
# The largest network that is looked through whole, 1022 addresses; of a larger one, the part around us.
_LARGEST, _PART = 22, 24


@frozen
class Attached:
    """A network and our own address in it; `scanned` is the part of it that is worth looking through."""

    address: IPv4Address
    network: IPv4Network

    @property
    def scanned(self) -> IPv4Network:
        """The network, or the /24 around our own address if it is larger than a /22."""
        if self.network.prefixlen >= _LARGEST:
            return self.network
        return IPv4Network((self.address, _PART), strict=False)


def address_of(host: str) -> str | None:
    """Name the IPv4 address at which others find a server here that listens on `host`; None for none."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - nothing is bound
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: the kernel says which way it would go, which is not through docker's networks.
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address


def attached() -> tuple[Attached, ...]:
    """List the private networks (RFC 1918) of the interfaces that are up, in the kernel's order."""
    return private(_interfaces())


def private(interfaces: Iterable[IPv4Interface]) -> tuple[Attached, ...]:
    """Keep the networks that are private and have room for somebody else; each once."""
    found = {
        each.network: Attached(each.ip, each.network)
        for each in interfaces
        if any(each.network.subnet_of(block) for block in _PRIVATE) and each.network.num_addresses > 1
    }
    return tuple(found.values())


def neighbour(ip: str, networks: Sequence[Attached]) -> tuple[IPv4Address, Attached]:
    """Find the attached network that an address is in; the only addresses nled ever talks to as a client.

    Raises:
        BadRequest: it is no IPv4 address as text, or not that of somebody else in such a network.
    """
    try:
        address = IPv4Address(ip)
    except ValueError:
        raise BadRequest("ip must be an IPv4 address, such as 192.168.1.20.") from None
    for each in networks:
        ends = (each.network.network_address, each.network.broadcast_address)
        if address in each.network and address != each.address and address not in ends:
            return address, each
    raise BadRequest(f"ip {address} is not in a private network that this machine is attached to.")


def _interfaces() -> Iterator[IPv4Interface]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for request in _requests(asking):
            flags = fcntl.ioctl(asking, _SIOCGIFFLAGS, request)
            if struct.unpack_from("H", flags, 16)[0] & _UP:
                mask = fcntl.ioctl(asking, _SIOCGIFNETMASK, request)
                yield IPv4Interface((_address(request), str(_address(mask))))


def _requests(asking: socket.socket) -> list[bytes]:
    """Return one struct ifreq for each address of each interface."""
    # The kernel writes through a pointer, so the buffer has to stay where it is.
    import ctypes  # noqa: PLC0415 - a megabyte that only this needs

    buffer = ctypes.create_string_buffer(_IFREQ * _MOST_ADDRESSES)
    asked = struct.pack("iP", len(buffer), ctypes.addressof(buffer))
    length = struct.unpack_from("i", fcntl.ioctl(asking, _SIOCGIFCONF, asked))[0]
    return [buffer.raw[at : at + _IFREQ] for at in range(0, length, _IFREQ)]


def _address(request: bytes) -> IPv4Address:
    # In struct sockaddr_in, behind the name: family and port come first.
    return IPv4Address(request[20:24])
