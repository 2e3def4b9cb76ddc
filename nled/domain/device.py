"""A device as the store knows it at one moment: its buckets, its people, when it was last heard of.

What the thermostat makes of all this for people to read is in `nled.domain.thermostat`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from attrs import field, frozen

from nled.domain.buckets import NO_HOME, ObjectKey, bucket_type

# How far a write by the server has come on its way to the device.
Delivery = Literal["queued", "pushed", "acknowledged", "expired"]
_SLOWEST_FIRST: tuple[Delivery, ...] = ("queued", "pushed", "expired", "acknowledged")
Permission = Literal["read", "write", "admin"]


def slowest(deliveries: Iterable[Delivery]) -> Delivery:
    """How far all of several writes have come; none at all count as acknowledged."""
    return min(deliveries, key=_SLOWEST_FIRST.index, default="acknowledged")


@frozen
class Pending:
    """Fields that the server wrote at one moment and that the device has not acknowledged.

    `at` is when they were written and `timestamp` what the device will be told, both in ms.
    """

    key: str
    fields: tuple[str, ...]
    revision: int
    timestamp: int
    at: int
    delivery: Delivery


@frozen
class Bucket:
    """A bucket as it stands; revision 0 and no values where there is none."""

    key: ObjectKey
    revision: int = 0
    timestamp: int = 0
    values: Mapping[str, Any] = field(factory=dict)
    pending: tuple[Pending, ...] = ()


@frozen
class Device:
    """Everything that is stored of one device.

    Attributes:
        owner, structure: the ids of its user and its home, None while nobody has claimed it.
        seen: when it was last heard of, in ms; None for one that is owned and has not come since.
        shares: what others than the owner may do, by user.
        buckets: by object key; those of its home among them.
        expired: whether nothing is left of what it told, since it was silent for too long.
    """

    serial: str
    owner: str | None = None
    structure: str | None = None
    seen: int | None = None
    shares: Mapping[str, Permission] = field(factory=dict)
    buckets: Mapping[str, Bucket] = field(factory=dict)
    expired: bool = False

    @property
    def shared(self) -> Bucket:
        """What thermostat and people share: setpoints, mode, temperature."""
        return self.bucket("shared")

    @property
    def device(self) -> Bucket:
        """The settings and the state of the thermostat itself."""
        return self.bucket("device")

    @property
    def schedule(self) -> Bucket:
        """The weekly schedule."""
        return self.bucket("schedule")

    @property
    def home(self) -> Bucket:
        """The structure; an unclaimed device has one of its own, `structure.default`."""
        return self.bucket("structure")

    @property
    def pending(self) -> tuple[Pending, ...]:
        """All writes by the server that the device has not acknowledged, oldest first."""
        return tuple(sorted((one for b in self.buckets.values() for one in b.pending), key=lambda p: p.at))

    def bucket(self, kind: str) -> Bucket:
        """Find the device's bucket of a kind, or its home's; an empty one where there is none."""
        match bucket_type(kind).id:
            case "structure":
                identifier = self.structure or NO_HOME
            case "user":
                identifier = self.owner or NO_HOME
            case _:
                identifier = self.serial
        return self.buckets.get(f"{kind}.{identifier}") or Bucket(ObjectKey(kind, identifier))


@frozen
class Moment:
    """When something happens: ms since the epoch, and seconds that the home's clock is ahead of UTC."""

    now: int
    offset: int = 0
