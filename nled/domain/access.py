"""Who may do what: one function that every API asks."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Literal

from attrs import field, frozen

from nled.domain.device import Device, Permission
from nled.domain.errors import Denied, NotKnown

Scope = Literal["read", "write", "admin"]


class Need(Enum):
    """What an endpoint asks of who calls it, or an action of who acts on a device.

    `LEAVE` is to give up what is shared with oneself, `SHARE` to say who else may use a device, `OWN` what
    only its owner may do (let go of it), and `TRANSFER` to make it somebody else's.
    """

    OPEN = "open"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    LEAVE = "leave"
    SHARE = "share"
    OWN = "own"
    TRANSFER = "transfer"


class Verdict(Enum):
    """What is answered to one who wants something of a device."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


@frozen
class Principal:
    """Who calls.

    Attributes:
        name: for the log; never a secret.
        scopes: of `read`, `write`, `admin`; none brings another along.
        user: whose devices these are; None for the whole installation.
        devices: the only serials a key is for; None for no such limit.
        key: the id of the API key, None for who came without.
    """

    name: str
    scopes: frozenset[Scope]
    user: str | None = None
    devices: frozenset[str] | None = None
    key: str | None = None

    @property
    def client(self) -> str:
        """Who counts as one where room is shared: a person with all of their keys, a key, or an address."""
        return self.name if self.user is None else f"user {self.user}"


@frozen
class Rate:
    """What an API key has left.

    Attributes:
        limit: requests in each minute; 0 for no limit.
        remaining: how many are left of them.
        reset: when the next minute begins, in ms since the epoch.
        exceeded: whether this request is one too many.
    """

    limit: int
    remaining: int
    reset: int
    exceeded: bool = False


@frozen
class Standing:
    """Whose a device is: its owner, and what it is shared as with others."""

    serial: str
    owner: str | None = None
    shares: Mapping[str, Permission] = field(factory=dict)


_SCOPES: Mapping[Need, Scope] = {
    Need.READ: "read",
    Need.WRITE: "write",
    Need.ADMIN: "admin",
    Need.LEAVE: "write",
    Need.SHARE: "write",
    Need.OWN: "write",
    Need.TRANSFER: "write",
}
# What a share lets somebody do, as far as the scopes of how they come allow it.
_GRANTS: Mapping[Permission, frozenset[Need]] = {
    "read": frozenset({Need.READ, Need.LEAVE}),
    "write": frozenset({Need.READ, Need.LEAVE, Need.WRITE}),
    "admin": frozenset({Need.READ, Need.LEAVE, Need.WRITE, Need.SHARE}),
}


def local() -> Principal:
    """Who comes by the unix socket: its file mode has let them in."""
    return Principal("local socket", frozenset({"read", "write", "admin"}))


def trusted(address: str) -> Principal:
    """Who comes without a key from a network that needs none."""
    return Principal(address, frozenset({"read", "write"}))


def of_key(
    identifier: str, name: str, scopes: Sequence[Scope], user: str | None, devices: Sequence[str] | None
) -> Principal:
    """Who comes with an API key."""
    return Principal(
        f"key {identifier} ({name})",
        frozenset(scopes),
        user,
        None if devices is None else frozenset(devices),
        identifier,
    )


def permits(principal: Principal, need: Need) -> bool:
    """Whether the scopes of a principal allow something at all, whichever device it is about.

    What is for administrators concerns everybody, so a key of one user or for some devices never has it.
    """
    if need is Need.OPEN:
        return True
    if need is Need.ADMIN and not _whole(principal):
        return False
    return _SCOPES[need] in principal.scopes


def scope_of(need: Need) -> Scope:
    """Name the scope that a key must have for something that is not open to all."""
    return _SCOPES[need]


def decide(principal: Principal, need: Need, standing: Standing | None) -> Verdict:
    """Judge whether somebody may do something with a device; None is a device that does not exist.

    One that exists and is not theirs is denied, not hidden (protocol d.1).
    """
    if not permits(principal, need):
        return Verdict.DENIED
    if standing is None:
        return Verdict.UNKNOWN
    return Verdict.ALLOWED if _may(principal, need, standing) else Verdict.DENIED


def demand(principal: Principal, need: Need, standing: Standing | None) -> Standing:
    """Return the standing of a device that somebody may do something with.

    Raises:
        Denied: they may not.
        NotKnown: there is no such device.
    """
    verdict = decide(principal, need, standing)
    if standing is None or verdict is Verdict.UNKNOWN:
        raise NotKnown("Device not found") if verdict is Verdict.UNKNOWN else Denied(_DENIED)
    if verdict is Verdict.DENIED:
        seen = decide(principal, Need.READ, standing) is Verdict.ALLOWED
        raise Denied(_OWNERS.get(need, _DENIED) if seen else _DENIED)
    return standing


def standing_of(device: Device) -> Standing:
    """Tell whose a device is."""
    return Standing(device.serial, device.owner, device.shares)


def speaks_for(principal: Principal, user: str) -> bool:
    """Whether somebody may act in a user's name: claim a device for them, accept an invite.

    A key for some devices only may not: it would reach for more of them.
    """
    return principal.devices is None and principal.user in (None, user)


_DENIED = "Access denied to this device"
_OWNERS: Mapping[Need, str] = {
    Need.SHARE: "Only the owner of a device, and whom it is shared with as admin, can share it",
    Need.OWN: "Only device owners can delete devices",
    Need.TRANSFER: "Only the owner of a device, or an administrator, can transfer it",
}


def _whole(principal: Principal) -> bool:
    return principal.user is None and principal.devices is None


def _may(principal: Principal, need: Need, standing: Standing) -> bool:
    if principal.devices is not None and standing.serial not in principal.devices:
        return False
    if principal.user is None:
        # Nobody's own device to give away: that takes an administrator.
        return need is not Need.TRANSFER or permits(principal, Need.ADMIN)
    if principal.user == standing.owner:
        return True
    share = standing.shares.get(principal.user)
    return share is not None and need in _GRANTS[share]
