"""Setpoints, and the temperatures of eco (protocol c.2, d.3)."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Struct, UnsetType

from nled.domain.commands.change import REMOTE, Change, require_order
from nled.domain.commands.definition import Typed, command
from nled.domain.device import Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.quantities import SOME, Celsius, High, Low
from nled.domain.values import number as stored

LOW, HIGH = "target_temperature_low", "target_temperature_high"
_SETPOINTS = {"low": LOW, "high": HIGH}
_ECO = {"low": "away_temperature_low", "high": "away_temperature_high"}
# A thermostat takes no notice of less, and a bound of 72 °F is 22.222 °C in its bucket.
_PRECISION = 0.01
# Of the device bucket: switch, bound, whether it is the lower one, what it is called.
_SAFETY = (
    ("lower_safety_temp_enabled", "lower_safety_temp", True, "lower safety temperature"),
    ("upper_safety_temp_enabled", "upper_safety_temp", False, "upper safety temperature"),
)
_LOCK = (
    ("temperature_lock", "temperature_lock_low_temp", True, "temperature lock's lower bound"),
    ("temperature_lock", "temperature_lock_high_temp", False, "temperature lock's upper bound"),
)
# The fields that `safe` looks at, and those of `setpoint` and `target`.
SAFETY = tuple(name for *names, _, _ in _SAFETY for name in names)
SETPOINT = {
    "shared": (LOW, HIGH),
    "device": tuple(dict.fromkeys((*SAFETY, *(name for *names, _, _ in _LOCK for name in names)))),
}


# What `setpoint` writes.
WRITTEN = {
    "shared": (
        *("target_temperature", LOW, HIGH),
        *("target_change_pending", "touched_by", "target_temperature_type"),
    )
}


class Temperatures(Struct, forbid_unknown_fields=True):
    """Either or both ends of a range; low is under high."""

    low: Low | UnsetType = UNSET
    high: High | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not self.given():
            raise ValueError("value must have low, high or both, in °C.")

    def given(self) -> Mapping[str, float]:
        """Return what is there, by its name."""
        sides = {"low": self.low, "high": self.high}
        return {side: degrees for side, degrees in sides.items() if degrees is not UNSET}


@command(
    reads=SETPOINT,
    writes=WRITTEN,
    examples=(21.5, {"low": 18, "high": 24}, {"low": 18}),
    typed=(
        Typed("21.5", kind=Celsius, about="Set the temperature."),
        Typed("19 23", "range", Temperatures, about="Set below what to heat, and above what to cool."),
    ),
)
def set_temperature(
    value: Celsius | Annotated[Temperatures, SOME], device: Device, moment: Moment
) -> tuple[Change, ...]:
    """Set the setpoint, or one or both ends of the range.

    A number is taken in range mode too: clients send it, and the thermostat takes no notice.

    Args:
        value: °C.
        device: its safety bounds, the bounds of its lock while that is on, and its other setpoint count.
        moment: goes into `touched_by`.
    """
    if isinstance(value, Temperatures):
        targets = {_SETPOINTS[side]: target(side, asked, device) for side, asked in value.given().items()}
        return (setpoint(targets, device, moment),)
    return (setpoint({"target_temperature": target("value", value, device)}, device, moment),)


@command(
    reads={"device": (*_ECO.values(), *SAFETY)},
    writes={"device": tuple(_ECO.values())},
    examples=({"low": 15, "high": 28}, {"high": 28}),
    typed=Typed("15 28", "eco"),
)
def set_eco_temperatures(
    value: Annotated[Temperatures, SOME],
    device: Device,
    moment: Moment,  # noqa: ARG001
) -> tuple[Change, ...]:
    """Set the eco temperatures, which are kept while everybody is away."""
    fields = {_ECO[side]: safe(side, asked, device) for side, asked in value.given().items()}
    require_order(fields, device.device, _ECO["low"], _ECO["high"])
    return (Change("device", fields),)


def setpoint(targets: Mapping[str, float], device: Device, moment: Moment, mode: str | None = None) -> Change:
    """Write setpoints, and a mode where the thermostat is not in it: all in one revision."""
    require_order(targets, device.shared, LOW, HIGH)
    touched = {
        "touched_by": REMOTE,
        "touched_at": moment.now // 1000,
        "touched_tzo": moment.offset,
        "touched_user_id": "",
    }
    fields = {**targets, "target_change_pending": True, "touched_by": touched}
    if mode is not None and mode != current_mode(device):
        fields["target_temperature_type"] = mode
    return Change("shared", fields)


def current_mode(device: Device) -> str | None:
    """Return the mode a thermostat is in, in lower case; None where it is not known."""
    mode = device.shared.values.get("target_temperature_type")
    return mode.lower() if isinstance(mode, str) else None


def target(where: str, asked: float, device: Device) -> float:
    """Return °C that this thermostat may be set to by hand; raises BadRequest, which names the bound."""
    _demand_within(where, safe(where, asked, device), device, _LOCK)
    return asked


def safe(where: str, asked: float, device: Device) -> float:
    """Return °C that are within the thermostat's safety temperatures; raises BadRequest, which names it."""
    _demand_within(where, asked, device, _SAFETY)
    return asked


def _demand_within(
    where: str, asked: float, device: Device, bounds: tuple[tuple[str, str, bool, str], ...]
) -> None:
    settings = device.device.values
    for switch, name, lower, meaning in bounds:
        bound = stored(settings.get(name)) if settings.get(switch) is True else None
        if bound is not None and (asked < bound - _PRECISION if lower else asked > bound + _PRECISION):
            raise BadRequest(
                f"{where} must be at {'least' if lower else 'most'} {bound} °C, the {meaning} ({name}); "
                f"it is {asked}."
            )
