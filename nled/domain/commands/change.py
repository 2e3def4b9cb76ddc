"""What a command comes to, and what every rule needs to know of a device."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from attrs import frozen

from nled.domain.device import Bucket, Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.values import number as stored

# Who touched something: somebody remote (protocol h.2).
REMOTE = 3
# What a device reports with everything else after its start, and nobody but it writes.
_TOLD = "current_version"


@frozen
class Change:
    """The fields one command writes into the bucket of one kind, in °C where they are temperatures.

    `structure` is the device's home, whatever its id; a `schedule` is replaced, all others are merged.
    """

    kind: str
    values: Mapping[str, object]


_Value = TypeVar("_Value")


@frozen
class Rule(Generic[_Value]):
    """Turns a value, for a device as it stands and at a moment, into what is to be written.

    Attributes:
        reads: the fields it looks at, by kind of bucket. No others are read for it, and a bucket of these
            kinds must still be as it was when it is written.
    """

    reads: Mapping[str, tuple[str, ...]]
    _decide: Callable[[_Value, Device, Moment], tuple[Change, ...]]

    def __call__(self, value: _Value, device: Device, moment: Moment) -> tuple[Change, ...]:
        """Return the changes, the main one first; raises BadRequest, and nothing is written then."""
        return self._decide(value, device, moment)


def capabilities(*names: str) -> dict[str, tuple[str, ...]]:
    """Return the fields that `lacks` looks at."""
    return {"shared": names, "device": (*names, _TOLD)}


def together(*reads: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return all fields that any of these names, by kind of bucket."""
    kinds = dict.fromkeys(kind for each in reads for kind in each)
    return {
        kind: tuple(dict.fromkeys(name for each in reads for name in each.get(kind, ()))) for kind in kinds
    }


def lacks(device: Device, name: str, *, silence_is_no: bool = True) -> bool:
    """Whether a device cannot do something (protocol c.2.2).

    It said so itself; or, where silence means that, it never said that it can and has told all of itself. Of
    one that has not, everything is believed: what stands in its buckets may be from us.
    """
    for bucket in (device.shared, device.device):
        if isinstance(said := bucket.values.get(name), bool):
            return not said
    return silence_is_no and device.device.values.get(_TOLD) is not None


def require_order(given: Mapping[str, object], bucket: Bucket, low: str, high: str) -> None:
    """Refuse a lower bound that is not under the higher; one that is not given is the stored one."""
    if low not in given and high not in given:
        return
    bottom, top = (stored(given.get(name, bucket.values.get(name))) for name in (low, high))
    if bottom is not None and top is not None and bottom >= top:
        raise BadRequest(f"low must be under high: {low} would be {bottom} and {high} {top} °C.")
