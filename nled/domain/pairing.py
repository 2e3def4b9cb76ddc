"""Pairing: entry keys, what a claim makes, and what an unpaired device may do (protocol e)."""

import re
from enum import Enum

from attrs import frozen

from nled.domain.buckets import BUCKET_TYPES
from nled.domain.errors import BadRequest

# Without 0 O 1 I L, which look alike on a thermostat's screen.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
LENGTH = 7
CODES = len(ALPHABET) ** LENGTH
# A thermostat refuses a key with less than 30 minutes left; 5 minutes more are for its clock.
LEAST_LIFE = 2_100_000
_CODE = re.compile(r"[A-Z0-9]{7}")
_USER = re.compile(r"[A-Za-z0-9_.@+\-]{1,64}")


class Tier(Enum):
    """How far a device has come, where pairing is required (protocol e.1)."""

    PAIRED = "paired"
    PENDING = "pending"
    UNKNOWN = "unknown"


@frozen
class EntryKey:
    """A code for the screen and its end in ms since the epoch."""

    code: str
    expires: int


@frozen
class Claim:
    """Whose a device is, and since when (ms)."""

    user: str
    at: int


def new_code(number: int) -> str:
    """Write a number below `CODES` as a code; from a CSPRNG, outside of tests."""
    letters = []
    for _ in range(LENGTH):
        number, letter = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(letters)


def parse_code(text: object) -> str:
    """Fold a code as people type it: any case, with or without hyphen and spaces.

    Raises:
        BadRequest: it is not seven letters and digits.
    """
    code = re.sub(r"[\s\-]+", "", text).upper() if isinstance(text, str) else ""
    if not _CODE.fullmatch(code):
        raise BadRequest("Invalid entry code format. Must be exactly 7 alphanumeric characters.")
    return code


def parse_user(text: object) -> str:
    """Read a user id.

    Raises:
        BadRequest: it is not 1 to 64 letters, digits and `_ . @ + -`.
    """
    if not isinstance(text, str) or not _USER.fullmatch(text):
        raise BadRequest("userId must be 1 to 64 letters, digits or any of _ . @ + -")
    return text


def structure_id(user: str) -> str:
    """Name the structure of a user: the id without a leading `user_` (protocol e.3)."""
    return user.removeprefix("user_") or user


def home_keys(user: str) -> tuple[str, ...]:
    """Name the buckets of a user's home, in the order in which a device is told of them."""
    ids = {"user": user, "structure": structure_id(user)}
    return tuple(f"{kind}.{ids[each.id]}" for kind, each in BUCKET_TYPES.items() if each.of_home)
