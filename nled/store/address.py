"""Where the store is: one URL, read into a value that never shows its password."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from attrs import evolve, field, frozen
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

from nled.store.sentinel import SentinelEndpoint

_CONNECT_TIMEOUT: Final = 5.0
_PORTS: Final = {"redis": 6379, "rediss": 6379, "redis+sentinel": 26379}
_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "redis": frozenset(),
    "rediss": frozenset({"cafile"}),
    "redis+sentinel": frozenset({"sentinel_password"}),
    "unix": frozenset({"db"}),
}
# Not urlsplit: whether that takes an IPv6 address among several hosts depends on Python's patch level.
_URL: Final = re.compile(
    r"(?P<scheme>[\w+]+)://(?P<netloc>[^/?]*)(?P<path>[^?]*)(?:\?(?P<query>.*))?", re.DOTALL
)
_HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<name>[\w.-]+))(?::(?P<port>\d{1,5}))?")
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@frozen
class Address:
    """Where a store is and who we are to it.

    Attributes:
        hosts: Host and port of the server, or of each Sentinel.
        path: The unix socket, instead of hosts.
        tls: Whether to speak TLS; the certificate is checked for the host.
        cafile: PEM file of the authorities to trust instead of the system's.
        service: What the Sentinels call the master to use.
    """

    hosts: tuple[tuple[str, int], ...] = ()
    path: str | None = None
    tls: bool = False
    cafile: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    service: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Give a form for people and logs, without user and password."""
        if self.path is not None:
            return f"unix:{self.path}"
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"{self.service} of the Sentinels {hosts}" if self.service else hosts

    def endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        """Make what connects to it.

        Raises:
            ValueError: The file of authorities cannot be used.
        """
        if self.path is not None:
            return UNIXClientEndpoint(reactor, self.path, timeout=_CONNECT_TIMEOUT)
        if self.service is not None:
            return SentinelEndpoint(reactor, self.hosts, self.service, self.sentinel_password)
        ((host, port),) = self.hosts
        endpoint = HostnameEndpoint(reactor, host, port, timeout=_CONNECT_TIMEOUT)
        if not self.tls:
            return endpoint
        return wrapClientTLS(optionsForClientTLS(host, trustRoot=self._authorities()), endpoint)

    def _authorities(self) -> Any:
        if self.cafile is None:
            return None
        try:
            with open(self.cafile, "rb") as file:  # noqa: PTH123 - a path of the operating system, as configured
                found = [Certificate.loadPEM(pem) for pem in _PEM.findall(file.read())]
        except OSError as error:
            raise ValueError(f"The cafile {self.cafile} cannot be read: {error.strerror}.") from error
        if not found:
            raise ValueError(f"The cafile {self.cafile} has no PEM certificate in it.")
        return trustRootFromCertificates(found)


def parse(url: str) -> Address:
    """Read a redis://, rediss://, redis+sentinel:// or unix:// URL.

    Raises:
        ValueError: With one sentence that shows no part of the URL: any part may be a mistyped password.
    """
    parts = _URL.fullmatch(url)
    scheme = parts["scheme"].lower() if parts else ""
    options = _OPTIONS.get(scheme)
    if parts is None or options is None:
        raise ValueError("The URL must begin with redis://, rediss://, unix:// or redis+sentinel://.")
    if "#" in url:
        raise ValueError("The URL has a # in it; write it as %23.")
    query = dict(item.partition("=")[::2] for item in (parts["query"] or "").split("&") if item)
    if not options.issuperset(query):
        known = " and ".join(sorted(options)) or "none"
        raise ValueError(f"The URL has an unknown option after its ?; known here: {known}.")
    userinfo, _, hosts = parts["netloc"].rpartition("@")
    username, _, password = userinfo.partition(":")
    if username and not password:
        raise ValueError("The URL names a user but no password; write user:password@.")
    who = Address(
        username=unquote(username) or None, password=unquote(password) or None, tls=scheme == "rediss"
    )
    query = {key: unquote(value) for key, value in query.items()}
    if scheme == "unix":
        return _unix(who, hosts, parts["path"], query)
    found = tuple(_host(host, _PORTS[scheme]) for host in hosts.split(","))
    if scheme == "redis+sentinel":
        return _sentinel(who, found, parts["path"], query)
    if len(found) > 1:
        raise ValueError("Only a redis+sentinel URL can name several hosts.")
    return evolve(who, hosts=found, cafile=query.get("cafile"), database=_database(parts["path"].strip("/")))


def _unix(who: Address, host: str, path: str, query: Mapping[str, str]) -> Address:
    if host or len(path) < len("/x"):
        raise ValueError("A unix URL needs an absolute path: unix:///run/redis/redis.sock.")
    return evolve(who, path=unquote(path), database=_database(query.get("db", "")))


def _sentinel(
    who: Address, hosts: tuple[tuple[str, int], ...], path: str, query: Mapping[str, str]
) -> Address:
    service, _, database = path.strip("/").partition("/")
    if not service:
        raise ValueError("A Sentinel URL names its service: redis+sentinel://host:26379/mymaster.")
    return evolve(
        who,
        hosts=hosts,
        service=unquote(service),
        sentinel_password=query.get("sentinel_password"),
        database=_database(database),
    )


def _host(text: str, default_port: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    port = int((found and found["port"]) or default_port)
    if found is None or not 0 < port < 65536:  # noqa: PLR2004 - the end of the port numbers
        raise ValueError(
            "The URL needs [user:password@]host[:port]; write other characters as %XX, IPv6 as [::1]."
        )
    return found["v6"] or found["name"], port


def _database(text: str) -> int:
    if not re.fullmatch(r"\d{0,5}", text, re.ASCII):
        raise ValueError("The database in the URL must be a number.")
    return int(text or 0)
