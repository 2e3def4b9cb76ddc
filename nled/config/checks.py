"""What a type and bounds cannot say of a setting, and what settings say of each other."""

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from nled.config.schema import MIB, MOST_SOCKET_PATH, POINT_BYTES, Config, fits_socket

_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.(?!-)[A-Za-z0-9-]{1,63})*\.?")
# Where only somebody's own machines are; the fourth is what private overlay networks use.
_OWN: Final = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)
_STORES: Final = ("redis", "rediss", "unix", "redis+sentinel")


def _host(host: str) -> str:
    """An address or a name to listen on."""
    if not _is_host(host):
        raise ValueError(f"is {host!a}; it must be an IP address (IPv6 without brackets) or a host name.")
    return host


def _is_host(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        # 10.0.0.256 has the form of a name, but no name ends in a number.
        return bool(_NAME.fullmatch(host)) and not host.rstrip(".").rpartition(".")[2].isdigit()
    return True


def _origin(origin: str) -> str:
    """`scheme://host[:port]`, without the slash that some installations end it with."""
    try:
        url = urlsplit(origin)
        host, port = url.hostname or "", url.port
    except ValueError:
        host, port = "", None
    if not _is_host(host) or "%" in host or port == 0 or url.netloc.endswith(":"):
        raise ValueError("must be http://HOST:PORT or https://HOST:PORT, with an IPv6 address in brackets.")
    if url.scheme not in ("http", "https"):
        raise ValueError("must start with http:// or https://.")
    if url.username is not None or url.path not in ("", "/") or "?" in origin or "#" in origin:
        raise ValueError("must have neither user nor path nor query; nled appends the paths itself.")
    return f"{url.scheme}://{url.netloc}"


def _socket(path: Path) -> Path:
    if not fits_socket(path):
        raise ValueError(f"has too long a path for a unix socket, which may have {MOST_SOCKET_PATH} bytes.")
    return path


def _networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_network, texts))


def _network(text: str) -> str:
    try:
        # Not 192.168.1.7/24: it could mean one machine or all of them.
        return str(ip_network(text))
    except ValueError:
        raise ValueError(
            f"has {text!a} in it; each must be an IP address or a network, as 192.168.1.0/24 with zeros "
            "after the prefix."
        ) from None


def _names(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if not _NAME.fullmatch(text):
            raise ValueError(f"has {text!a} in it; each must be a host name, without port.")
    return tuple(text.lower().removesuffix(".") for text in texts)


def _pages(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_page, texts))


def _page(text: str) -> str:
    try:
        origin = _origin(text).lower()
    except ValueError as error:
        raise ValueError(f"has {text!a} in it; each {error}") from None
    # As browsers write it.
    return origin.removesuffix(":443" if origin.startswith("https:") else ":80")


def _time_zone(name: str) -> str:
    # Only here: few set it, and it takes memory.
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"is {name!a}, which this machine does not know; it must be a name such as Europe/Berlin (of the "
            "system's package tzdata), or null."
        ) from None
    return name


def _cert_dir(directory: Path) -> Path:
    for name in ("fullchain.pem", "privkey.pem"):
        try:
            (directory / name).open("rb").close()
        except OSError as error:
            file = directory / name
            raise ValueError(
                f"must hold fullchain.pem and privkey.pem; {file} cannot be read: {error.strerror}."
            ) from error
    return directory


def _redis_url(url: str) -> str:
    # The sentence never repeats the URL: it may hold a password.
    if url.partition("://")[0] not in _STORES or "://" not in url:
        raise ValueError("must start with redis://, rediss://, unix:// or redis+sentinel://.")
    return url


REFINE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "device.host": _host,
    "device.origin": _origin,
    "device.cert_dir": _cert_dir,
    "device.trusted_proxies": _networks,
    "control.host": _host,
    "control.socket": _socket,
    "control.trusted_networks": _networks,
    "control.trusted_proxies": _networks,
    "control.hosts": _names,
    "control.origins": _pages,
    "home.time_zone": _time_zone,
    "redis.url": _redis_url,
}
"""By path: takes a value of the right type and returns the one to use, or raises a ValueError.

The sentence of that error starts where the place of the setting ends.
"""


def contradictions(config: Config) -> Iterator[str]:
    """Sentences about settings that are possible alone but not together."""
    device, control = config.device, config.control
    same_port = device.port == control.port != 0
    if same_port and (device.host == control.host or {device.host, control.host} & {"0.0.0.0", "::"}):  # noqa: S104
        yield (
            f"device.port and control.port are both {device.port}, and their hosts {device.host} and "
            f"{control.host} overlap; give one of them another port."
        )
    uploads = config.uploads
    for small, large in (
        ("max_bytes", "max_unpacked_bytes"),
        ("max_unpacked_bytes", "device_quota_bytes"),
        ("device_quota_bytes", "total_quota_bytes"),
    ):
        if getattr(uploads, small) > getattr(uploads, large):
            yield (
                f"uploads.{small} ({getattr(uploads, small)}) must not be larger than "
                f"uploads.{large} ({getattr(uploads, large)})."
            )


def _memory(config: Config) -> Iterator[str]:
    limits, history, memory = config.limits, config.history, config.redis.maxmemory_mb
    most = limits.devices * (limits.device_bytes + history.points * POINT_BYTES)
    if most > memory * MIB:
        yield (
            f"limits.devices ({limits.devices}) thermostats of limits.device_bytes ({limits.device_bytes}) "
            f"and history.points ({history.points}) would take {most // MIB} MiB, and redis.maxmemory_mb is "
            f"{memory}: once that is full nothing more is stored. Raise it, or lower the others."
        )


def warnings(config: Config) -> Iterator[str]:
    """Sentences about settings that are accepted, but that the operator should know the price of."""
    for text in config.control.trusted_networks:
        network: Any = ip_network(text)
        if not any(network.version == own.version and network.subnet_of(own) for own in _OWN):
            yield (
                f"control.trusted_networks has {text}, which is no private network: whoever comes from there "
                "needs no API key to see and set thermostats."
            )
    if config.redis.url is None:
        yield from _memory(config)
    if config.control_socket is None:
        yield (
            f"There is no unix socket for nledctl: its path in {config.state_dir} would have more than "
            f"{MOST_SOCKET_PATH} bytes; set control.socket."
        )
