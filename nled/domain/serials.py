"""Who is calling: serials out of Basic user names, headers and sessions (protocol a.2, m).

A serial is a claim, not a proof; every credential is accepted unless password pinning is on.
"""

import re
from base64 import b32decode, b32encode, b64decode
from binascii import Error as Base64Error
from collections.abc import Callable

from attrs import field, frozen

SHORTEST, LONGEST = 10, 32
_JUNK = re.compile(r"[^A-Za-z0-9]+")
_MAC = re.compile(r"[0-9A-F]{12}")
_SESSION = re.compile(r"(?P<mac>[0-9A-Fa-f]{12})(?P<serial>[0-9A-Za-z]{10,32})")


@frozen
class Identity:
    """What a request says of its sender.

    `serial` is upper-case, 10 to 32 letters and digits, or None. `password` is the thermostat's own
    secret, empty when none was sent; it never appears in a repr.
    """

    serial: str | None
    password: bytes = field(default=b"", repr=False)

    @property
    def is_mac(self) -> bool:
        """Whether the "serial" is a Wi-Fi MAC address, as some 5.9.4-5 units send (protocol m)."""
        return self.serial is not None and _MAC.fullmatch(self.serial) is not None


def sanitize(text: str) -> str | None:
    """Fold a serial as it was sent to the one spelling nled knows, or None if it cannot be one."""
    serial = text if text.isascii() and text.isalnum() else _JUNK.sub("", text)
    return serial.upper() if SHORTEST <= len(serial) <= LONGEST else None


def from_user_name(user: str) -> str | None:
    """Find the serial in `d.SERIAL.SUFFIX`, `nest.SERIAL` or a bare serial."""
    parts = user.split(".")
    return sanitize((len(parts) > 1 and parts[1]) or parts[0])


def identify(
    header: Callable[[str], str | None], query: str | None = None, path: str | None = None
) -> Identity:
    """Identify the caller by the first source that holds a serial (protocol a.2).

    Args:
        header: looks one request header up.
        query: the `serial` query parameter.
        path: the serial that stands in the path.
    """
    user, password = _basic(header("Authorization"))
    if user and (serial := from_user_name(user)):
        return Identity(serial, password)
    others: tuple[tuple[str | None, Callable[[str], str | None]], ...] = (
        (header("X-nl-client-id"), from_user_name),
        (header("X-nl-device-id"), sanitize),
        (header("X-NL-Device-Serial"), sanitize),
        (query, sanitize),
        (path, sanitize),
    )
    for text, read in others:
        if text and (serial := read(text)):
            return Identity(serial, password)
    return Identity(None, password)


def from_session(session: object) -> tuple[str, str] | None:
    """Split a transport body's `session` into MAC and serial, or None if it is something else."""
    if not isinstance(session, str) or not (match := _SESSION.fullmatch(session)):
        return None
    return match["mac"].upper(), match["serial"].upper()


def _basic(authorization: str | None) -> tuple[str | None, bytes]:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None, b""
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).partition(b":")
    except (Base64Error, ValueError):
        return None, b""
    # Without a colon these are no credentials (RFC 7617), and so say nothing.
    return (user.decode("utf-8", "replace"), password) if colon else (None, b"")


def opaque(serial: str) -> str:
    """Write a serial as the id that the hosted API calls a device by (protocol d.1).

    It says nothing that the serial beside it does not say, so it may be as simple as it is stable.
    """
    return "dev_" + b32encode(serial.encode()).decode().rstrip("=").lower()


def from_opaque(text: str) -> str | None:
    """Read an id of `opaque`, or the serial itself in any case; None if it is neither."""
    if not text.startswith("dev_"):
        return sanitize(text)
    letters = text.removeprefix("dev_").upper()
    try:
        serial = b32decode(letters + "=" * (-len(letters) % 8)).decode("ascii")
    except ValueError:
        return None
    return serial if sanitize(serial) == serial else None
