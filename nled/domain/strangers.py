"""Who is no thermostat of anybody's: devices that nobody keeps, and serials that only asked for a code."""

from typing import Literal

from attrs import frozen

# `arrival`: no device yet; `new`: heard on one day; `poll`: and holds a poll; `seen`: heard on two days;
# `kept`: set by a person, or pointed here by one.
Grade = Literal["arrival", "new", "poll", "seen", "kept"]


@frozen
class Stranger:
    """A device that nobody owns, or an arrival.

    Attributes:
        address: it came from last; "" where that is not known. Of IPv6 it is its /64.
        seen: when it was last heard of, in ms.
    """

    serial: str
    grade: Grade
    address: str
    seen: int
