"""What a type and bounds cannot say of a setting, and what settings say of each other."""

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from nled.config.schema import Config

_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.(?!-)[A-Za-z0-9-]{1,63})*\.?")
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
    "control.host": _host,
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


def warnings(config: Config) -> Iterator[str]:
    """Sentences about settings that are accepted, but that the operator should know the price of."""
    host = config.control.host
    if not (host in ("localhost", "::1") or host.startswith("127.")):
        yield (
            f"control.host is {host}: whoever reaches port {config.control.port} can claim and set "
            "thermostats, because this version has no authentication there."
        )
