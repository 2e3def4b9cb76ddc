"""The temperature lock: what its hash is, and what hashes are taken (PROTOCOL.md d.6)."""

import re
from base64 import b64decode, b64encode
from hashlib import sha1

from nled.domain.errors import BadRequest

# Whoever knows the hash knows the PIN after 10,000 guesses. The second name is one that other servers kept.
SECRET = frozenset({"temperature_lock_pin_hash", "temp_lock_pin_hash"})
_PIN = re.compile(r"[0-9]{4}", re.ASCII)
_DIGEST = 20


def pin_hash(pin: str, serial: str) -> str:
    """Hash a PIN as the thermostat with this upper-case serial does; raises BadRequest."""
    if not _PIN.fullmatch(pin):
        raise BadRequest("A PIN has exactly four digits.")
    return b64encode(sha1(f"{pin}{serial}".encode(), usedforsecurity=False).digest()).decode()


def is_pin_hash(value: object) -> bool:
    """Whether something may be the hash of a PIN: Base64 of 20 bytes; no more can be checked."""
    if not isinstance(value, str):
        return False
    try:
        digest = b64decode(value, validate=True)
    except ValueError:
        return False
    # The thermostat compares texts: one that it would write in another way locks everybody out.
    return len(digest) == _DIGEST and b64encode(digest).decode() == value


def parse_pin_hash(where: str, value: object) -> str:
    """Return the hash of a PIN; raises BadRequest, which never repeats it."""
    if not isinstance(value, str) or not is_pin_hash(value):
        raise BadRequest(f"{where} must be Base64(SHA1(PIN + SERIAL)): 28 characters for 20 bytes.")
    return value
