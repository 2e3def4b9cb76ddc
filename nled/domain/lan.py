"""What a thermostat's own settings page takes: keys and endpoints (protocol g.5).

It has no JSON parser: it drops all spaces and looks for `"key":"value"`, so nothing that it is sent may hold
a quote, a backslash or a space.
"""

import re

from nled.domain.entry import Origin
from nled.domain.errors import BadRequest, Conflict

_KEY = re.compile(r"[!#-\[\]-~]{1,128}")
_ENDPOINT = re.compile(r"http://[0-9]{1,3}(\.[0-9]{1,3}){3}:[0-9]{1,5}")


def secret_of(password: bytes) -> str:
    """Read the password of a thermostat as the key of its settings page, "" where it cannot be one."""
    text = password.decode("ascii", "replace")
    return text if _KEY.fullmatch(text) else ""


def parse_api_key(text: str) -> str:
    """Read a key as somebody typed it; upper and lower case are not the same.

    Raises:
        BadRequest: it cannot be one; the sentence does not repeat it.
    """
    if not _KEY.fullmatch(text):
        raise BadRequest("api_key must be 1 to 128 printable ASCII characters without spaces and quotes.")
    return text


def register_url(origin: Origin) -> str:
    """Name the URL at which a thermostat that was pointed to an origin looks for its server."""
    return f"{origin}/entry"


def settable(origin: Origin) -> str:
    """Write an origin as the settings page takes it, `http://IPv4:port`.

    Raises:
        Conflict: it takes no other kind, and this server's is one.
    """
    if not _ENDPOINT.fullmatch(str(origin)):
        raise Conflict(
            f"A thermostat's settings take only http://IPv4:port, and device.origin is {origin}; "
            "set it to an address of this machine."
        )
    return str(origin)


def endpoint_of(url: str) -> str:
    """Find the origin that leads to a register URL: the settings page adds `/entry` to what it is given."""
    return url.removesuffix("/").removesuffix("/entry")
