"""The bodies of the hosted API (PROTOCOL.md d.2)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from nled.domain.commands import hosted
from nled.domain.settings import LONGEST_RUN
from nled.web.described.schedule import Schedule
from nled.web.described.units import (
    Celsius,
    Fahrenheit,
    High,
    HighFahrenheit,
    Low,
    LowFahrenheit,
    Mode,
    PinHash,
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
