"""A schedule as it may be sent (PROTOCOL.md c.2.3, h.4)."""

from typing import Annotated, Final, Generic, Literal, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

from nled.domain.schedule import MOST_A_DAY, MOST_NAME, NAME
from nled.web.described.units import Celsius, High, Low, Time, TypedCelsius


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


Schedule: TypeAlias = HeatSchedule | CoolSchedule | RangeSchedule
