"""What `/command` takes: `Command`, a union told apart by `command` (PROTOCOL.md c.2)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from nled.domain.settings import ALIASES, MINUTES, PAIRS, SETTINGS, Setting
from nled.domain.shapes import Serial
from nled.web.described.schedule import Schedule
from nled.web.described.units import (
    SAMPLE_HASH,
    Celsius,
    High,
    Low,
    Mode,
    Percent,
    PinHash,
    Run,
    ScheduleMode,
    Temperatures,
)


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
            str, Meta(pattern="^([A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=)?$", examples=[SAMPLE_HASH])
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
