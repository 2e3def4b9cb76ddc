"""The temperature lock: what its hash is, and what hashes are taken (protocol d.6)."""

import re
from base64 import b64encode
from hashlib import sha1
from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from nled.domain.errors import BadRequest

# Whoever knows the hash knows the PIN after 10,000 guesses. The second name is one that other servers kept.
SECRET = frozenset({"temperature_lock_pin_hash", "temp_lock_pin_hash"})
_PIN = re.compile(r"[0-9]{4}", re.ASCII)
# Base64 of 20 bytes. The thermostat compares texts: one that it would write in another way, with bits that
# belong to nothing, locks everybody out.
_FORM: Final = "[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]="
_LENGTH: Final = 28
# Of PIN 0000 and this serial; the hash that the hosted service's own page shows for them is wrong.
SAMPLE_SERIAL: Final = "02AA01AB01234567"
SAMPLE_HASH: Final = "kFRc/skLylZUKACup2bPzjQDUII="
_CALLED: Final = f"Base64(SHA1(PIN + SERIAL)): {_LENGTH} characters for 20 bytes"
PinHash: TypeAlias = Annotated[
    str,
    Meta(
        pattern=f"^{_FORM}$",
        # To Python, a line may end before the end.
        max_length=_LENGTH,
        description="Base64(SHA1(PIN + SERIAL)), SERIAL in capitals. That of PIN 0000 for "
        f"{SAMPLE_SERIAL}: `printf %s 0000{SAMPLE_SERIAL} | openssl sha1 -binary | base64`",
        examples=[SAMPLE_HASH],
        extra={"form": _CALLED},
    ),
]
PinHashOrNone: TypeAlias = Annotated[
    str,
    Meta(pattern=f"^({_FORM})?$", max_length=_LENGTH, examples=[SAMPLE_HASH], extra={"form": _CALLED}),
]


def pin_hash(pin: str, serial: str) -> str:
    """Hash a PIN as the thermostat with this upper-case serial does; raises BadRequest."""
    if not _PIN.fullmatch(pin):
        raise BadRequest("A PIN has exactly four digits.")
    return b64encode(sha1(f"{pin}{serial}".encode(), usedforsecurity=False).digest()).decode()


def is_pin_hash(value: object) -> bool:
    """Whether something may be the hash of a PIN; no more can be checked."""
    return isinstance(value, str) and re.fullmatch(_FORM, value) is not None
