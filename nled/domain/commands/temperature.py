"""Setpoints, and the temperatures of eco (PROTOCOL.md c.2, d.3)."""

from collections.abc import Mapping

from nled.domain.commands.change import REMOTE, Change, reads, require_order
from nled.domain.device import Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.quantities import celsius
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


@reads(**SETPOINT)
def set_temperature(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Set the setpoint, or one or both ends of the range.

    A number is taken in range mode too: clients send it, and the thermostat takes no notice.

    Args:
        value: °C, or `{"low": °C, "high": °C}` with either or both.
        device: its safety bounds, the bounds of its lock while that is on, and its other setpoint count.
        moment: goes into `touched_by`.

    Raises:
        BadRequest: not a finite number, out of bounds, or low not under high.
    """
    if isinstance(value, dict):
        sides = _sides(value, _SETPOINTS, 'value must be a temperature in °C, or {"low": °C, "high": °C}.')
        return (
            setpoint({_SETPOINTS[side]: target(side, sides[side], device) for side in sides}, device, moment),
        )
    return (setpoint({"target_temperature": target("value", value, device)}, device, moment),)


@reads(device=(*_ECO.values(), *SAFETY))
def set_eco_temperatures(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Set what eco heats and cools to: `{"low": °C, "high": °C}` with either or both."""
    sides = _sides(value, _ECO, 'value must be {"low": °C, "high": °C}, with either or both.')
    fields = {_ECO[side]: safe(side, celsius(side, sides[side]), device) for side in sides}
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


def target(where: str, value: object, device: Device) -> float:
    """Read °C that this thermostat may be set to by hand; raises BadRequest, which names the bound."""
    asked = safe(where, celsius(where, value), device)
    _demand_within(where, asked, device, _LOCK)
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


def _sides(value: object, names: Mapping[str, str], otherwise: str) -> dict[str, object]:
    if not isinstance(value, dict) or not value or not set(value) <= set(names):
        raise BadRequest(otherwise)
    return value
