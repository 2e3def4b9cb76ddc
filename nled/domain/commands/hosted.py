"""The requests of the hosted API, and what they come to (PROTOCOL.md d.2, d.3, d.6).

The types say no more than what is needed to read a request, since all bounds are kept by the rules of the
commands, whose sentences name the field and the limit. Each function turns one request into what is to be
written, and raises BadRequest.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from nled.domain.commands import equipment, modes, settings, temperature
from nled.domain.commands.change import Change, reads
from nled.domain.device import Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.quantities import HIGHEST, LOWEST, bounded, number, whole
from nled.domain.settings import LONGEST_RUN

SCHEDULE_FIELDS = ("ver", "name", "schedule_mode", "mode", "days")

Scale = Literal["C", "F"]
_ModeName = Annotated[str, Meta(max_length=40)]


class Temperature(Struct):
    """A setpoint; `mode` is what the thermostat is put into with it, if it is not in it already."""

    value: Any
    mode: _ModeName | None = None
    scale: Scale | None = None


class Range(Struct):
    """Both ends of the range; puts the thermostat into range mode."""

    low: Any
    high: Any
    scale: Scale | None = None


class Mode(Struct):
    """What the thermostat does."""

    mode: _ModeName


class Away(Struct):
    """Whether the home is in eco."""

    away: bool


class Fan(Struct):
    """The fan by mode, or for a time in seconds; one of them is needed."""

    mode: Literal["on", "auto", "off"] | None = None
    duration: Any = None


class Lock(Struct):
    """The temperature lock: all four to enable it, `enabled` alone to disable it."""

    enabled: bool
    pin_hash: Annotated[str, Meta(max_length=28)] | None = None
    temp_min: Any = None
    temp_max: Any = None


class Schedule(Struct):
    """A schedule that replaces the one there is; day "0" is Monday."""

    schedule: dict[str, Any]


# A mode is judged by what it takes to judge one, and by the mode there is.
_SETPOINT = {
    "shared": ("target_temperature_type", *temperature.SETPOINT["shared"], *modes.WIRING["shared"]),
    "device": (*temperature.SETPOINT["device"], *modes.WIRING["device"]),
}


@reads(**_SETPOINT)
def set_temperature(request: Temperature, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Set the setpoint, and the mode that is asked with it."""
    mode = None
    # A client that repeats the mode as it is asks nothing of the wiring.
    if request.mode is not None and modes.MODES.get(request.mode.lower(), "") != temperature.current_mode(
        device
    ):
        mode = modes.parse_mode(request.mode, device)
    targets = {"target_temperature": _target("value", request.value, request.scale, device)}
    return (temperature.setpoint(targets, device, moment, mode),)


@reads(**_SETPOINT)
def set_range(request: Range, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Set both ends of the range, and range mode."""
    mode = modes.parse_mode("range", device)
    targets = {
        temperature.LOW: _target("low", request.low, request.scale, device),
        temperature.HIGH: _target("high", request.high, request.scale, device),
    }
    return (temperature.setpoint(targets, device, moment, mode),)


@reads(**modes.set_mode.reads)
def set_mode(request: Mode, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Set the mode."""
    return modes.set_mode(request.mode, device, moment)


@reads(**modes.set_away.reads)
def set_away(request: Away, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Send the home into eco, or bring it back."""
    return modes.set_away(request.away, device, moment)


@reads(**equipment.set_fan.reads)
def set_fan(request: Fan, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Run the fan for a time, or leave it to the thermostat."""
    if request.duration is None:
        if request.mode is None:
            raise BadRequest("mode or duration is required.")
        return equipment.set_fan(request.mode, device, moment)
    if request.mode in ("auto", "off"):
        raise BadRequest(f"duration does not go with mode {request.mode}; leave one of them out.")
    seconds = whole("duration", request.duration, 1, LONGEST_RUN, "seconds")
    return equipment.set_fan(seconds, device, moment)


@reads(**settings.set_lock.reads)
def set_lock(request: Lock, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Lock the dial to a range, or unlock it."""
    if not request.enabled:
        return settings.clear_lock(None, device, moment)
    value = {"pin_hash": request.pin_hash, "temp_min": request.temp_min, "temp_max": request.temp_max}
    if missing := [name for name, given in value.items() if given is None]:
        raise BadRequest(f"{', '.join(missing)} must be given to enable the lock.")
    return settings.set_lock(value, device, moment)


@reads(**modes.set_schedule.reads)
def set_schedule(request: Schedule, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Replace the schedule."""
    return modes.set_schedule(request.schedule, device, moment)


def _target(name: str, value: object, scale: Scale | None, device: Device) -> float:
    degrees = number(value, f"Temperature {name} must be a number")
    if scale == "F":
        bounded(name, value, _fahrenheit(LOWEST), _fahrenheit(HIGHEST), f"°F ({LOWEST:g} to {HIGHEST:g} °C)")
        # Not to half a degree: the thermostat keeps hundredths (d.3).
        degrees = round((degrees - 32) * 5 / 9, 3)
    return temperature.target(name, degrees, device)


def _fahrenheit(celsius: float) -> float:
    return celsius * 9 / 5 + 32
