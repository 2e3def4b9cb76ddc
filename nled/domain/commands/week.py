"""What a schedule may look like, for the description (protocol c.2.3, h.4).

`nled.domain.schedule` reads it, and takes more than a schema can say: modes in any case, and what a
thermostat adds itself. A test compares the two.
"""

from typing import Annotated, Final, Generic, Literal, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

from nled.domain.quantities import Celsius, High, Low
from nled.domain.schedule import MOST_A_DAY, MOST_NAME, NAME

# What was typed into a form: 4.5 to 32, and 0 to 86399.
TypedCelsius: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^0{0,4}(4\.[5-9][0-9]{0,8}|([5-9]|[12][0-9]|3[01])(\.[0-9]{1,9})?|32(\.0{1,9})?)$",
        description="°C",
    ),
]
TypedTime: TypeAlias = Annotated[
    str, Meta(pattern=r"^0{0,4}([0-9]{1,4}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2})(\.0{1,9})?$")
]
Time: TypeAlias = (
    Annotated[int, Meta(ge=0, lt=86_400, description="Seconds after local midnight.")] | TypedTime
)


class Setpoint(Struct, kw_only=True):
    """When a setpoint begins; no two of a day do at the same time.

    Entries of the `entry_type` continuation, which schedules of thermostats have, are dropped.
    """

    time: Time
    entry_type: Literal["setpoint"] | None = None


class HeatSetpoint(Setpoint, kw_only=True):
    """What to heat to, from when on."""

    type: Literal["HEAT"]
    temp: Celsius | TypedCelsius


class CoolSetpoint(Setpoint, kw_only=True):
    """What to cool to, from when on."""

    type: Literal["COOL"]
    temp: Celsius | TypedCelsius


class RangeSetpoint(Setpoint, kw_only=True):
    """What to heat and to cool to, from when on; the former is under the latter."""

    type: Literal["RANGE"]
    low: Low | TypedCelsius = field(name="temp-min")
    high: High | TypedCelsius = field(name="temp-max")


S = TypeVar("S", bound=Setpoint)
_Most: Final = Meta(max_length=MOST_A_DAY)
Day: TypeAlias = Annotated[list[S], _Most] | Annotated[dict[str, S], _Most] | UnsetType


class Days(Struct, Generic[S], forbid_unknown_fields=True, rename=lambda name: name[-1]):
    """The days of a schedule."""

    day_0: Day[S] = UNSET
    day_1: Day[S] = UNSET
    day_2: Day[S] = UNSET
    day_3: Day[S] = UNSET
    day_4: Day[S] = UNSET
    day_5: Day[S] = UNSET
    day_6: Day[S] = UNSET


class HeatDays(Days[HeatSetpoint]):
    """The days of a schedule for heating; "0" is Monday. One that is missing has no setpoints."""


class CoolDays(Days[CoolSetpoint]):
    """The days of a schedule for cooling, as those for heating."""


class RangeDays(Days[RangeSetpoint]):
    """The days of a schedule for both, as those for heating."""


class _Schedule(Struct, tag_field="schedule_mode", kw_only=True):
    ver: Literal[2]
    name: Annotated[str, Meta(max_length=MOST_NAME)] | None = NAME


class HeatSchedule(_Schedule, tag="HEAT", kw_only=True):
    """A whole schedule for heating."""

    days: HeatDays


class CoolSchedule(_Schedule, tag="COOL", kw_only=True):
    """A whole schedule for cooling."""

    days: CoolDays


class RangeSchedule(_Schedule, tag="RANGE", kw_only=True):
    """A whole schedule for heating and cooling."""

    days: RangeDays


Week: TypeAlias = HeatSchedule | CoolSchedule | RangeSchedule
