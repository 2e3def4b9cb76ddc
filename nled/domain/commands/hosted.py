"""The requests of the hosted API that set a mode with a setpoint, in one write (protocol d.2, d.3)."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from nled.domain.commands import modes, temperature
from nled.domain.commands.change import Change, together
from nled.domain.commands.definition import hosted
from nled.domain.device import Device, Moment
from nled.domain.quantities import (
    Celsius,
    Fahrenheit,
    High,
    HighFahrenheit,
    Low,
    LowFahrenheit,
    celsius,
)

# A mode is judged by what it takes to judge one, and by the mode there is.
_SETPOINT = together({"shared": ("target_temperature_type",)}, temperature.SETPOINT, modes.WIRING)
_NO_VALUE: Final = "Temperature value must be a number"
_VALUE: Final = Meta(extra={"otherwise": _NO_VALUE})
_LOW: Final = Meta(extra={"otherwise": "Temperature low must be a number"})
_HIGH: Final = Meta(extra={"otherwise": "Temperature high must be a number"})
_InCelsius: TypeAlias = Annotated[
    Literal["C"] | None, Meta(extra={"otherwise": "scale must be one of C, F."})
]


class CelsiusSetpoint(Struct):
    """A setpoint in °C; `mode` is what the thermostat is put into with it, if it is not in it already."""

    value: Annotated[Celsius, _VALUE]
    mode: modes.Mode | None = None
    scale: _InCelsius = None


class FahrenheitSetpoint(Struct):
    """A setpoint in °F, as the one in °C."""

    value: Annotated[Fahrenheit, _VALUE]
    scale: Literal["F"]
    mode: modes.Mode | None = None


def _setpoint_in(body: Mapping[str, Any]) -> type:
    return FahrenheitSetpoint if body.get("scale") == "F" else CelsiusSetpoint


@hosted(
    "temperature",
    "Set the setpoint",
    reads=_SETPOINT,
    missing={"value": _NO_VALUE},
    pick=_setpoint_in,
    examples=({"value": 21.5}, {"value": 40.1, "scale": "F", "mode": "emergency"}),
)
def hosted_temperature(
    body: CelsiusSetpoint | FahrenheitSetpoint, device: Device, moment: Moment
) -> tuple[Change, ...]:
    """Set the setpoint, and the mode that is asked with it."""
    mode = None
    # A client that repeats the mode as it is asks nothing of the wiring.
    if body.mode is not None and modes.MODES.get(body.mode.lower(), "") != temperature.current_mode(device):
        mode = modes.parse_mode(body.mode, device)
    asked = body.value if isinstance(body, CelsiusSetpoint) else celsius(body.value)
    targets = {"target_temperature": temperature.target("value", asked, device)}
    return (temperature.setpoint(targets, device, moment, mode),)


class CelsiusRange(Struct):
    """Both ends of the range in °C, low under high; puts the thermostat into range mode."""

    low: Annotated[Low, _LOW]
    high: Annotated[High, _HIGH]
    scale: _InCelsius = None


class FahrenheitRange(Struct):
    """Both ends of the range in °F, as those in °C."""

    low: Annotated[LowFahrenheit, _LOW]
    high: Annotated[HighFahrenheit, _HIGH]
    scale: Literal["F"]


def _range_in(body: Mapping[str, Any]) -> type:
    return FahrenheitRange if body.get("scale") == "F" else CelsiusRange


@hosted(
    "temperature/range",
    "Set the range",
    reads=_SETPOINT,
    pick=_range_in,
    examples=({"low": 18, "high": 24}, {"low": 65, "high": 75, "scale": "F"}),
)
def hosted_range(body: CelsiusRange | FahrenheitRange, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Set both ends of the range, and range mode."""
    mode = modes.parse_mode("range", device)
    low, high = body.low, body.high
    if isinstance(body, FahrenheitRange):
        low, high = celsius(low), celsius(high)
    targets = {
        temperature.LOW: temperature.target("low", low, device),
        temperature.HIGH: temperature.target("high", high, device),
    }
    return (temperature.setpoint(targets, device, moment, mode),)
