"""Fan, humidity and hot water (protocol c.2, d.3, h.3)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from nled.domain.commands.change import Change, capabilities, lacks
from nled.domain.commands.definition import Typed, command, hosted
from nled.domain.device import Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.quantities import LONGEST_RUN, SOME, Percent, Run, whole
from nled.domain.settings import HotWaterMode, HotWaterTemperature
from nled.domain.values import number as stored

# Seconds the fan runs where the thermostat does not say.
_FAN = 3600
_BOOSTS = {"on": 1800, "off": 0}
_END_OF_BOOST = "hot_water_boost_time_to_end"

_FAN_VALUES = f'No values to update: value must be "on", "auto" or a number of seconds up to {LONGEST_RUN}.'
FanState: TypeAlias = Annotated[Literal["on", "auto", "off"] | Run, Meta(extra={"otherwise": _FAN_VALUES})]


@command(
    needs={"has_fan": "a fan"},
    reads={"device": ("fan_timer_duration",)},
    writes={"device": ("fan_timer_duration", "fan_timer_timeout")},
    examples=("on", "auto", "off", 0, 900),
    typed=Typed("15m"),
)
def set_fan(value: FanState, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Run the fan for a time, for its usual time (on), or only as needed (auto, off).

    Args:
        value: `on` is for as long as the thermostat's own timer is set; 0 ends it, too.
        device: its `fan_timer_duration` counts.
        moment: the timer starts now, not when the thermostat hears of it.
    """
    if value == "on":
        usual = stored(device.device.values.get("fan_timer_duration"))
        value = usual if usual is not None and 1 <= usual <= LONGEST_RUN else _FAN
    if isinstance(value, str) or not value:
        return (Change("device", {"fan_timer_timeout": 0}),)
    duration = int(value)
    timeout = moment.now // 1000 + duration
    return (Change("device", {"fan_timer_duration": duration, "fan_timer_timeout": timeout}),)


class FanMode(Struct):
    """The fan by mode; `on` is for as long as the thermostat's own timer is set."""

    mode: Literal["on", "auto", "off"]
    duration: None = None


class FanRun(Struct):
    """The fan for a time, in seconds."""

    duration: Annotated[float, whole(1, LONGEST_RUN, "seconds")]
    mode: Annotated[Literal["on"] | None, Meta(extra={"otherwise": "duration goes with no mode but on."})] = (
        None
    )


def _for_a_time(body: Mapping[str, Any]) -> type:
    return FanMode if body.get("duration") is None else FanRun


@hosted(
    "fan",
    "Run the fan, or leave it to the thermostat",
    reads=set_fan.reads,
    missing={"mode": "mode or duration is required."},
    pick=_for_a_time,
    examples=({"mode": "auto"}, {"duration": 43_200}, {"mode": "on", "duration": 1}),
)
def hosted_fan(body: FanMode | FanRun, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Run the fan for a time, or leave it to the thermostat."""
    return set_fan.of(body.mode if isinstance(body, FanMode) else body.duration, device, moment)


class Humidity(Struct, forbid_unknown_fields=True):
    """The humidity to keep, and whether to keep it; either or both."""

    target: Percent | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.target is UNSET and self.enabled is UNSET:
            raise ValueError("value must have target, enabled or both.")


def _kept(typed: float | str) -> object:
    return {"enabled": False} if typed == "off" else {"target": typed, "enabled": True}


@command(
    needs={"has_humidifier": "a humidifier", "has_dehumidifier": "dehumidifier"},
    writes={"device": ("target_humidity", "target_humidity_enabled")},
    examples=(40, {"target": 35, "enabled": True}),
    # Who types a humidity wants it kept.
    typed=Typed("40", kind=Literal["off"] | Percent, value=_kept),
)
def set_humidity(
    value: Percent | Annotated[Humidity, SOME],
    device: Device,  # noqa: ARG001
    moment: Moment,  # noqa: ARG001
) -> tuple[Change, ...]:
    """Set the humidity to keep.

    Args:
        value: a number alone leaves it as it is whether that humidity is kept.
        device: not looked at.
        moment: not needed.
    """
    given = value if isinstance(value, Humidity) else Humidity(value)
    fields: dict[str, object] = {}
    if given.target is not UNSET:
        fields["target_humidity"] = int(given.target)
    if given.enabled is not UNSET:
        fields["target_humidity_enabled"] = given.enabled
    return (Change("device", fields),)


class HotWater(Struct, forbid_unknown_fields=True):
    """How hot water is made; any of these."""

    mode: HotWaterMode | UnsetType = UNSET
    boost: Run | UnsetType = UNSET
    temperature: HotWaterTemperature | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.mode, self.boost, self.temperature) == (UNSET, UNSET, UNSET):
            raise ValueError("value must have mode, boost, temperature or several of them.")


@command(
    needs={"has_hot_water_control": "hot water control"},
    reads=capabilities("has_hot_water_temperature"),
    writes={"device": ("hot_water_mode", "hot_water_temperature", _END_OF_BOOST)},
    examples=("on", 900, {"mode": "schedule", "boost": 1800, "temperature": 55}),
    typed=Typed("1h", kind=Literal["on", "off"] | Run),
)
def set_hot_water(
    value: Literal["on", "off"] | Run | Annotated[HotWater, SOME], device: Device, moment: Moment
) -> tuple[Change, ...]:
    """Heat water now for a time or 30 minutes (on), end that (off), or set how it is made.

    Args:
        value: 0 ends a boost, too.
        device: needs hot water temperature for a temperature.
        moment: the boost starts now.
    """
    if isinstance(value, HotWater):
        given = value
    else:
        given = HotWater(boost=_BOOSTS[value] if isinstance(value, str) else value)
    if given.temperature is not UNSET and lacks(device, "has_hot_water_temperature"):
        raise BadRequest("Device cannot set the hot water's temperature (has_hot_water_temperature=false)")
    fields: dict[str, object] = {}
    if given.mode is not UNSET:
        fields["hot_water_mode"] = given.mode
    if given.temperature is not UNSET:
        fields["hot_water_temperature"] = given.temperature
    if given.boost is not UNSET:
        fields[_END_OF_BOOST] = moment.now // 1000 + int(given.boost) if given.boost else 0
    return (Change("device", fields),)
