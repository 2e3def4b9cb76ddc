"""People, what they share, their invites and API keys: what each may look like (protocol c.4, d.1)."""

import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Literal, get_args

from attrs import field, frozen
from msgspec import Struct

from nled.domain.access import Scope
from nled.domain.device import Permission
from nled.domain.errors import BadRequest

MOST_PEOPLE = 10_000
MOST_KEYS = 1_000
MOST_SHARES = 50
MOST_INVITES = 20
MOST_KEY_DEVICES = 1_000
MOST_KEY_DAYS = 3_650
MOST_NAME = 64
INVITE_HOURS = 72
MOST_INVITE_HOURS = 30 * 24

HOUR = 3_600_000
DAY = 24 * HOUR
# How long an invite that has ended is still listed.
INVITE_KEPT = 7 * DAY

InviteState = Literal["pending", "accepted", "expired", "revoked"]
_LONGEST_EMAIL = 254
_KEY, _INVITE = "nle_", "nli_"
_TOKEN = re.compile(r"nl[ei]_[0-9a-f]{64}")
_EMAIL = re.compile(r"[^\s@]+(@[^\s@]+)+")


class ApiKey(Struct, frozen=True, rename={"user": "userId", "used": "lastUsed"}):
    """An API key; times in ms, null for never."""

    # The key itself is not kept. Without `user` or `devices` it is for all of them.
    id: str
    name: str
    scopes: tuple[Scope, ...]
    user: str | None
    devices: tuple[str, ...] | None
    created: int
    expires: int | None
    used: int | None


class Shared(Struct, frozen=True, order=True):
    """A device that somebody shares with a person."""

    serial: str
    permission: Permission


class Person(Struct, frozen=True, rename={"user": "userId"}):
    """A person: what they own, and what is shared with them; `created` in ms."""

    user: str
    email: str
    created: int
    devices: tuple[str, ...]
    shared: tuple[Shared, ...]


class Invite(Struct, frozen=True):
    """An invite, without its token; times in ms."""

    id: str
    permission: Permission
    created: int
    expires: int
    state: InviteState


@frozen
class Token:
    """A secret to show once.

    `hash` is its SHA-256, which is what is kept, and `id` the part of that by which people call it.
    """

    secret: str = field(repr=False)
    hash: str
    id: str


def new_key(draw: Callable[[int], int]) -> Token:
    """Make an API key; `draw` gives a random number below a bound, from a CSPRNG outside of tests."""
    return _token(f"{_KEY}{draw(1 << 256):064x}")


def new_invite(draw: Callable[[int], int]) -> Token:
    """Make the token of an invite, from the same source as `new_key`."""
    return _token(f"{_INVITE}{draw(1 << 256):064x}")


def parse_key(text: str) -> Token | None:
    """Read an API key; None if it cannot be one."""
    return _token(text) if text.startswith(_KEY) and _TOKEN.fullmatch(text) else None


def parse_invite(text: str) -> Token:
    """Read the token of an invite.

    Raises:
        BadRequest: it cannot be one.
    """
    if not text.startswith(_INVITE) or not _TOKEN.fullmatch(text):
        raise BadRequest("token must be nli_ and 64 hex digits, as the invite showed it.")
    return _token(text)


def parse_name(text: str) -> str:
    """Read what somebody calls a key.

    Raises:
        BadRequest: it is empty, too long or not printable.
    """
    name = text.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise BadRequest(f"name must have 1 to {MOST_NAME} printable characters.")
    return name


def parse_email(text: str | None, user: str) -> str:
    """Read an e-mail address; `USER@local` for None or an empty one.

    Raises:
        BadRequest: it cannot be one.
    """
    if not text:
        return f"{user}@local"
    if len(text) > _LONGEST_EMAIL or not text.isprintable() or not _EMAIL.fullmatch(text):
        raise BadRequest(f"email must be an address with @ and at most {_LONGEST_EMAIL} characters.")
    return text


def parse_scopes(scopes: Sequence[str], user: str | None, devices: Sequence[str] | None) -> tuple[Scope, ...]:
    """Read the scopes of a key for a user (None: everybody's devices) and devices (None: all).

    Raises:
        BadRequest: none at all, an unknown one, or `admin` for less than the whole installation.
    """
    known: tuple[Scope, ...] = get_args(Scope)
    if not scopes or not set(scopes) <= set(known):
        raise BadRequest(f"scopes must be one or more of {', '.join(known)}.")
    if "admin" in scopes and (user is not None or devices is not None):
        raise BadRequest("scope admin is for the whole installation: leave userId and devices out.")
    return tuple(each for each in known if each in scopes)


def parse_permission(text: str) -> Permission:
    """Read what a share is to allow.

    Raises:
        BadRequest: it is no permission.
    """
    known: tuple[Permission, ...] = get_args(Permission)
    for each in known:
        if text == each:
            return each
    raise BadRequest(f"permission must be one of {', '.join(known)}.")


def end_of(count: int, most: int, name: str, unit: int, now: int) -> int:
    """Turn a number of days or hours, `unit` ms each, into the moment when they are over.

    Raises:
        BadRequest: it is not 1 to `most`.
    """
    if not 1 <= count <= most:
        raise BadRequest(f"{name} must be 1 to {most}.")
    return now + count * unit


def _token(text: str) -> Token:
    fingerprint = sha256(text.encode()).hexdigest()
    return Token(text, fingerprint, fingerprint[:16])
