"""What a command comes to, and what every rule needs to know of a device."""

from collections.abc import Callable, Mapping

from attrs import frozen

from nled.domain.device import Bucket, Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.values import number as stored

# Who touched something: somebody remote (PROTOCOL.md h.2).
REMOTE = 3


@frozen
class Change:
    """The fields one command writes into the bucket of one kind, in °C where they are temperatures.

    `structure` is the device's home, whatever its id; a `schedule` is replaced, all others are merged.
    """

    kind: str
    values: Mapping[str, object]


# Turns a value, for a device as it stands and at a moment, into what is to be written, the main change
# first; raises BadRequest. Nothing is written then.
Rule = Callable[[object, Device, Moment], tuple[Change, ...]]


def lacks(device: Device, name: str, *told: Bucket) -> bool:
    """Whether a device cannot do something (PROTOCOL.md c.2.2).

    It said so itself, or did not say while one of the buckets `told` is there, which would say so. Of
    a device that nobody has told anything about everything is believed.
    """
    for bucket in (device.shared, device.device):
        if isinstance(said := bucket.values.get(name), bool):
            return not said
    return any(bucket.revision for bucket in told)


def require_order(given: Mapping[str, object], bucket: Bucket, low: str, high: str) -> None:
    """Refuse a lower bound that is not under the higher; one that is not given is the stored one."""
    if low not in given and high not in given:
        return
    bottom, top = (stored(given.get(name, bucket.values.get(name))) for name in (low, high))
    if bottom is not None and top is not None and bottom >= top:
        raise BadRequest(f"low must be under high: {low} would be {bottom} and {high} {top} °C.")
