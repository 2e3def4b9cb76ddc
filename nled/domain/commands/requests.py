"""What people ask for, as exact as types can say it: for the description, and imported by nobody else.

`Command` is what `/command` takes, a union told apart by `command` (PROTOCOL.md c.2); the others are bodies
of the hosted API (d.2). A request is read as something simpler and goes to the rules, whose sentences
clients know. A test holds the two against each other.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct, field

from nled.domain.commands import hosted
from nled.domain.quantities import HIGHEST, LOWEST
from nled.domain.schedule import MOST_A_DAY, MOST_NAME, NAME
from nled.domain.settings import ALIASES, LONGEST_RUN, MINUTES, PAIRS, SETTINGS, Setting
from nled.domain.shapes import Serial


def _degrees(low: float, high: float, unit: str, example: float) -> Meta:
    return Meta(ge=low, le=high, description=unit, examples=[example])


_FREEZING, _STEPS = 32, 9 / 5
_IN_FAHRENHEIT = (LOWEST * _STEPS + _FREEZING, HIGHEST * _STEPS + _FREEZING, "°F")
Celsius: TypeAlias = Annotated[float, _degrees(LOWEST, HIGHEST, "°C", 21.5)]
Low: TypeAlias = Annotated[float, _degrees(LOWEST, HIGHEST, "°C", 18)]
High: TypeAlias = Annotated[float, _degrees(LOWEST, HIGHEST, "°C", 24)]
Fahrenheit: TypeAlias = Annotated[float, _degrees(*_IN_FAHRENHEIT, 70.7)]
LowFahrenheit: TypeAlias = Annotated[float, _degrees(*_IN_FAHRENHEIT, 65)]
HighFahrenheit: TypeAlias = Annotated[float, _degrees(*_IN_FAHRENHEIT, 75)]
Run: TypeAlias = Annotated[int, Meta(ge=0, le=LONGEST_RUN, description="Seconds; 0 ends it.")]
Percent: TypeAlias = Annotated[int, Meta(ge=10, le=60)]
_HASH: Final = "/PiS0Kl52c8oNptmsL4Z7cxd9mg="
PinHash: TypeAlias = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=$",
        description="Base64(SHA1(PIN + SERIAL))",
        examples=[_HASH],
    ),
]
Mode: TypeAlias = Literal["off", "heat", "cool", "heat-cool", "heat_cool", "range", "auto", "emergency"]
ScheduleMode: TypeAlias = Literal["HEAT", "COOL", "RANGE"]
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


class Temperatures(Struct, forbid_unknown_fields=True):
    """Either or both ends of a range; low is under high."""

    low: Low | UnsetType = UNSET
    high: High | UnsetType = UNSET


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


Schedule: TypeAlias = HeatSchedule | CoolSchedule | RangeSchedule


class LockValue(Struct, forbid_unknown_fields=True):
    """The PIN's hash, and the range that the dial is locked to."""

    pin_hash: PinHash
    temp_min: Low
    temp_max: High


class Humidity(Struct, forbid_unknown_fields=True):
    """The humidity to keep, and whether to keep it; either or both."""

    target: Percent | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class HotWater(Struct, forbid_unknown_fields=True):
    """How hot water is made; any of these."""

    mode: Literal["schedule", "off"] | UnsetType = UNSET
    boost: Run | UnsetType = UNSET
    temperature: Annotated[float, Meta(ge=30, le=70, description="°C")] | UnsetType = UNSET


def _also(names: Mapping[str, str]) -> str:
    return ", ".join(f"`{other}` for `{name}`" for other, name in names.items())


def _type_of(name: str, setting: Setting) -> Any:
    examples: list[Any] | None = None
    for low, high in PAIRS:
        if name in (low, high):
            examples = [setting.low if name == low else setting.high]
    meta = Meta(ge=setting.low, le=setting.high, description=setting.unit, examples=examples)
    kinds: dict[str, Any] = {
        "flag": bool,
        "number": Annotated[float, meta],
        "whole": Annotated[int, meta],
        "date": Annotated[int, Meta(ge=0, description=f"{setting.unit}; 0 for none.")],
        "until": Annotated[int, Meta(ge=0, description=f"{setting.unit}; 0 for none.")],
        "choice": Literal[setting.choices],
        "text": Annotated[str, Meta(max_length=int(setting.high))],
        "pin_hash": Annotated[
            str, Meta(pattern="^([A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=)?$", examples=[_HASH])
        ],
    }
    return kinds[setting.kind]


DeviceSettings = defstruct(
    "DeviceSettings",
    [(name, _type_of(name, setting) | UnsetType, UNSET) for name, setting in SETTINGS.items()],
    forbid_unknown_fields=True,
    namespace={
        "__doc__": "Any settings of the thermostat, all or none of which are set. Some have other names too: "
        f"{_also({**ALIASES, **MINUTES})}; none may be given by both names."
    },
)


# Of an object, that is; it means nothing to a number.
_SOME = Meta(extra_json_schema={"minProperties": 1})


class _Command(Struct, tag_field="command"):
    serial: Serial


class SetTemperature(_Command, tag="set_temperature"):
    """Set the setpoint, or one or both ends of the range."""

    value: Annotated[Celsius | Temperatures, _SOME]


class SetMode(_Command, tag="set_mode"):
    """Set what the thermostat does."""

    value: Mode


class SetAway(_Command, tag="set_away"):
    """Send the home into eco, or bring it back."""

    value: bool


class SetFan(_Command, tag="set_fan"):
    """Run the fan for a time, or leave it to the thermostat."""

    value: Literal["on", "auto", "off"] | Run


class SetEcoTemperatures(_Command, tag="set_eco_temperatures"):
    """Set what eco heats and cools to."""

    value: Annotated[Temperatures, _SOME]


class SetSchedule(_Command, tag="set_schedule"):
    """Replace the schedule."""

    value: Schedule


class SetScheduleMode(_Command, tag="set_schedule_mode"):
    """Say which schedule is followed."""

    value: ScheduleMode


class SetDeviceSetting(_Command, tag="set_device_setting"):
    """Set any settings by their names."""

    value: Annotated[DeviceSettings, _SOME]  # type: ignore[valid-type]  # made from the table


class SetLock(_Command, tag="set_lock"):
    """Lock the dial to a range."""

    value: LockValue


class ClearLock(_Command, tag="clear_lock"):
    """Unlock the dial and forget the PIN."""


class SetHumidity(_Command, tag="set_humidity"):
    """Set the humidity to keep."""

    value: Annotated[Percent | Humidity, _SOME]


class SetHotWater(_Command, tag="set_hot_water"):
    """Boost the hot water, or set how it is made."""

    value: Annotated[Literal["on", "off"] | Run | HotWater, _SOME]


Command: TypeAlias = (
    SetTemperature
    | SetMode
    | SetAway
    | SetFan
    | SetEcoTemperatures
    | SetSchedule
    | SetScheduleMode
    | SetDeviceSetting
    | SetLock
    | ClearLock
    | SetHumidity
    | SetHotWater
)


class CelsiusSetpoint(Struct):
    """A setpoint in °C; `mode` is what the thermostat is put into with it, if it is not in it already."""

    value: Celsius
    mode: Mode | None = None
    scale: Literal["C"] | None = None


class FahrenheitSetpoint(Struct):
    """A setpoint in °F, as the one in °C."""

    value: Fahrenheit
    scale: Literal["F"]
    mode: Mode | None = None


class CelsiusRange(Struct):
    """Both ends of the range in °C, low under high; puts the thermostat into range mode."""

    low: Low
    high: High
    scale: Literal["C"] | None = None


class FahrenheitRange(Struct):
    """Both ends of the range in °F, as those in °C."""

    low: LowFahrenheit
    high: HighFahrenheit
    scale: Literal["F"]


class HostedMode(Struct):
    """What the thermostat does."""

    mode: Mode


class FanMode(Struct):
    """The fan by mode; `on` is for as long as the thermostat's own timer is set."""

    mode: Literal["on", "auto", "off"]
    duration: None = None


class FanRun(Struct):
    """The fan for a time, in seconds."""

    duration: Annotated[int, Meta(ge=1, le=LONGEST_RUN)]
    mode: Literal["on"] | None = None


class EnableLock(Struct):
    """Lock the dial to a range, temp_min under temp_max."""

    enabled: Annotated[bool, Meta(extra_json_schema={"const": True})]
    pin_hash: PinHash
    temp_min: Low
    temp_max: High


class DisableLock(Struct):
    """Unlock the dial and forget the PIN; what else is sent counts for nothing."""

    enabled: Annotated[bool, Meta(extra_json_schema={"const": False})]


class HostedSchedule(Struct):
    """A schedule that replaces the one there is."""

    schedule: Schedule


# What the bodies that the hosted API reads must be.
HOSTED: Mapping[Any, Any] = {
    hosted.Temperature: CelsiusSetpoint | FahrenheitSetpoint,
    hosted.Range: CelsiusRange | FahrenheitRange,
    hosted.Mode: HostedMode,
    hosted.Fan: FanMode | FanRun,
    hosted.Lock: EnableLock | DisableLock,
    hosted.Schedule: HostedSchedule,
}
