"""What `/command` takes, as types: a union told apart by `command` (PROTOCOL.md c.2); and any schedule.

For descriptions only, and imported by nobody else: a request is read as name and value and goes to
`plan`, whose sentences clients know. A test holds the two against each other.
"""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct, field

from nled.domain.quantities import HIGHEST, LOWEST
from nled.domain.schedule import DAYS, MOST_A_DAY, MOST_NAME
from nled.domain.settings import ALIASES, LONGEST_RUN, MINUTES, SETTINGS, Setting
from nled.domain.shapes import Serial

Celsius: TypeAlias = Annotated[float, Meta(ge=LOWEST, le=HIGHEST, description="°C")]
Run: TypeAlias = Annotated[int, Meta(ge=0, le=LONGEST_RUN, description="Seconds; 0 ends it.")]
Percent: TypeAlias = Annotated[int, Meta(ge=10, le=60)]
PinHash: TypeAlias = Annotated[
    str, Meta(pattern="^[A-Za-z0-9+/]{27}=$", description="Base64(SHA1(PIN + SERIAL))")
]
Mode: TypeAlias = Literal["off", "heat", "cool", "heat-cool", "heat_cool", "range", "auto", "emergency"]
ScheduleMode: TypeAlias = Literal["HEAT", "COOL", "RANGE"]
Typed: TypeAlias = Annotated[str, Meta(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,9})?$")]


class Temperatures(Struct, forbid_unknown_fields=True):
    """Either or both ends of a range; low is under high."""

    low: Celsius | UnsetType = UNSET
    high: Celsius | UnsetType = UNSET


class Entry(Struct):
    """A setpoint of a schedule: `temp`, or in RANGE both others."""

    type: ScheduleMode
    time: Annotated[int, Meta(ge=0, lt=86_400, description="Seconds after local midnight.")] | Typed
    temp: Celsius | Typed | UnsetType = UNSET
    low: Celsius | Typed | UnsetType = field(name="temp-min", default=UNSET)
    high: Celsius | Typed | UnsetType = field(name="temp-max", default=UNSET)
    entry_type: Literal["setpoint", "continuation"] = "setpoint"


Entries: TypeAlias = Annotated[list[Entry], Meta(max_length=MOST_A_DAY)] | dict[str, Entry]

Days = defstruct(
    "Days",
    [(f"day_{day}", Entries | UnsetType, field(name=day, default=UNSET)) for day in DAYS],
    forbid_unknown_fields=True,
    namespace={"__doc__": 'The days of a schedule; "0" is Monday.'},
)


class Schedule(Struct):
    """A whole schedule; a day that is missing has no setpoints."""

    ver: Literal[2]
    days: Days  # type: ignore[valid-type]  # made from the names of the days
    schedule_mode: ScheduleMode | UnsetType = UNSET
    mode: Annotated[ScheduleMode, Meta(description="Another name of schedule_mode.")] | UnsetType = UNSET
    name: Annotated[str, Meta(max_length=MOST_NAME)] = "Current Schedule"


class HostedSchedule(Struct):
    """A schedule as the hosted API takes it."""

    schedule: Schedule


class LockValue(Struct, forbid_unknown_fields=True):
    """The PIN's hash, and the range that the dial is locked to."""

    pin_hash: PinHash
    temp_min: Celsius
    temp_max: Celsius


class Humidity(Struct, forbid_unknown_fields=True):
    """The humidity to keep, and whether to keep it; either or both."""

    target: Percent | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class HotWater(Struct, forbid_unknown_fields=True):
    """How hot water is made; any of these."""

    mode: Literal["schedule", "off"] | UnsetType = UNSET
    boost: Run | UnsetType = UNSET
    temperature: Annotated[float, Meta(ge=30, le=70, description="°C")] | UnsetType = UNSET


def _type_of(setting: Setting) -> Any:
    meta = Meta(ge=setting.low, le=setting.high, description=setting.unit)
    kinds: dict[str, Any] = {
        "flag": bool,
        "number": Annotated[float, meta],
        "whole": Annotated[int, meta],
        "until": Annotated[int, Meta(ge=0, description=f"{setting.unit}; 0 for none.")],
        "choice": Literal[setting.choices],
        "text": Annotated[str, Meta(max_length=int(setting.high))],
        "pin_hash": Annotated[str, Meta(pattern="^([A-Za-z0-9+/]{27}=)?$")],
    }
    return kinds[setting.kind]


DeviceSettings = defstruct(
    "DeviceSettings",
    [
        *((name, _type_of(setting) | UnsetType, UNSET) for name, setting in SETTINGS.items()),
        *((name, _type_of(SETTINGS[real]) | UnsetType, UNSET) for name, real in ALIASES.items()),
        *(
            (name, Annotated[int, Meta(ge=1, le=LONGEST_RUN // 60, description="minutes")] | UnsetType, UNSET)
            for name in MINUTES
        ),
    ],
    forbid_unknown_fields=True,
    namespace={"__doc__": "Any settings of the thermostat, all or none of which are set."},
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
