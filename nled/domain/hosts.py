"""What counts as one client on the network."""

from functools import lru_cache
from ipaddress import IPv6Network


@lru_cache(maxsize=1024)
def host_of(address: str) -> str:
    """Return what a client is counted by: its IPv4 address, or the /64 that its IPv6 address is in."""
    if ":" not in address:
        return address
    return str(IPv6Network((address.partition("%")[0], 64), strict=False).network_address)
