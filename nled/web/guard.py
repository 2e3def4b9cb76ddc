"""The door of the control port: which names, pages and people are let in.

A browser on the network is anybody's: it runs the pages of strangers. So the Host header must be a name of
this machine, which no page that rebinds its own name has, and pages of other origins are refused unless the
settings name them.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Protocol

from attrs import field, frozen
from twisted.internet.address import UNIXAddress

from nled.domain.access import Need, Principal, Rate, local, trusted
from nled.domain.errors import BadRequest, Denied, Refused
from nled.web.clients import Client, Clients
from nled.web.request import BoundedRequest
from nled.web.router import Answer

_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::[0-9]{0,5})?")
_LONGEST_HOST = 300
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_TOKEN = re.compile(rb"(?i:bearer) +(nle_[0-9a-f]{64}) *")
_PREFLIGHT = (
    (b"Access-Control-Allow-Methods", b"GET, POST, PUT, DELETE"),
    (b"Access-Control-Allow-Headers", b"Authorization, Content-Type, Last-Event-ID"),
    (b"Access-Control-Max-Age", b"600"),
)
_EXPOSED = b"Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
NO_KEY = (
    "This needs an API key, sent as `Authorization: Bearer nle_...`; only control.trusted_networks need none."
)
# Nobody is asked who they are where everybody may.
ANYBODY = Principal("anybody", frozenset())


class Authority(Protocol):
    """Who knows the API keys."""

    async def bearer(self, text: str, address: str, *, counted: bool = True) -> tuple[Principal, Rate] | None:
        """Look up a key, and count the request; None for one that is not valid.

        `counted` says whether one that is not valid counts against the address.

        Raises:
            TooMany: the address sent too many keys that are not valid.
            StoreUnavailable: the store cannot tell.
        """


def own_names(hostname: str, more: Iterable[str]) -> frozenset[str]:
    """Return the names by which this machine may be called: its own, and `control.hosts`."""
    full = hostname.lower().rstrip(".")
    first = full.partition(".")[0]
    own = {full, first, f"{first}.local"} if first else set()
    return frozenset({"localhost", *own, *(name.lower() for name in more)})


@frozen(eq=False)
class Guard:
    """Lets requests in, or raises why not.

    Attributes:
        names: the host names under which the port may be called; IP addresses always may.
        origins: `scheme://host[:port]` of pages from elsewhere that may use it.
    """

    clients: Clients
    authority: Authority
    names: frozenset[str]
    origins: frozenset[str]
    _is_ours: Callable[[bytes], bool] = field(init=False)

    def __attrs_post_init__(self) -> None:
        # Every request of a client has the same.
        object.__setattr__(self, "_is_ours", lru_cache(maxsize=256)(self._named))

    def gate(self, request: BoundedRequest) -> Answer | None:
        """Check Host and Origin; return the answer to a preflight, None to go on.

        Raises:
            BadRequest: there is not exactly one Host.
            Denied: it is another's name, or the page of another.
        """
        # No browser gets there, and programs put any name into the Host header of a socket.
        if isinstance(request.getClientAddress(), UNIXAddress):
            return None
        hosts = request.requestHeaders.getRawHeaders(b"host") or []
        if len(hosts) != 1 and (hosts or request.clientproto != b"HTTP/1.0"):
            raise BadRequest("The request must have one Host header.")
        host = hosts[0] if hosts else b""
        if hosts and not (len(host) <= _LONGEST_HOST and self._is_ours(host)):
            raise Denied(
                f"The Host header has {host[:100].decode('ascii', 'replace')!a}, which is no name of this "
                "machine; if it should be one, add it to control.hosts."
            )
        origins = request.requestHeaders.getRawHeaders(b"origin")
        return None if origins is None else self._of_page(request, origins, host)

    def _named(self, raw: bytes) -> bool:
        found = _HOST.fullmatch(raw.decode("ascii", "replace"))
        if found is None:
            return False
        name = found[1].lower()
        if name.startswith("["):
            return _is_address(name[1:-1], six=True)
        return name.removesuffix(".") in self.names or _is_address(name, six=False)

    def _of_page(self, request: BoundedRequest, origins: Sequence[bytes], host: bytes) -> Answer | None:
        origin = b", ".join(origins).decode("ascii", "replace").lower()
        scheme, _, authority = origin.partition("://")
        port = _DEFAULT_PORTS.get(scheme, "")
        bare = authority.removesuffix(port)
        if port and bare and bare == host.decode("ascii", "replace").lower().removesuffix(port):
            return None
        if f"{scheme}://{bare}" not in self.origins:
            raise Denied(
                f"Pages of {origin[:100]!a} may not use this API; if they should, name it in control.origins."
            )
        request.extra = (
            (b"Access-Control-Allow-Origin", origins[0]),
            (b"Access-Control-Expose-Headers", _EXPOSED),
            (b"Vary", b"Origin"),
        )
        return Answer(b"", 204, _PREFLIGHT) if request.method == b"OPTIONS" else None

    def key_of(self, request: BoundedRequest) -> str | None:
        """Read the API key of a request; None where there is nothing that could be one."""
        raw = request.getHeader(b"authorization")
        found = None if raw is None else _TOKEN.fullmatch(raw)
        return None if found is None else found[1].decode()

    def without_key(self, client: Client) -> Principal:
        """Say who came without a key; raises Refused where one is needed."""
        if client.local:
            return local()
        if client.trusted:
            return trusted(client.address)
        raise Refused(NO_KEY)

    async def with_key(self, token: str, client: Client, *, always: bool) -> tuple[Principal, Rate | None]:
        """Say whose key it is, and what it has left.

        Unless one is needed `always`, a key that is not valid is ignored from where none is needed:
        some clients send one wherever they are (protocol n.4).

        Raises:
            Refused: it is not valid.
            TooMany, StoreUnavailable: as the Authority raises them.
        """
        needed = always or not client.trusted
        found = await self.authority.bearer(token, client.address, counted=needed)
        if found is not None:
            return found
        if needed:
            raise Refused("This API key is not valid: it was revoked, has expired, or never was one.")
        return self.without_key(client), None


def denial(need: Need) -> str:
    """Say what somebody lacks whose scopes do not allow what an endpoint needs."""
    if need is Need.ADMIN:
        return (
            "This takes an API key with the scope admin for all users and devices, or nledctl on the machine "
            "itself."
        )
    scope = "read" if need is Need.READ else "write"
    return f"This takes an API key with the scope {scope}, which this one does not have."


def _is_address(text: str, *, six: bool) -> bool:
    try:
        return isinstance(ip_address(text), IPv6Address) is six
    except ValueError:
        return False
