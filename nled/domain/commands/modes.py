"""Mode, away, and the schedule that goes with the mode (PROTOCOL.md c.2, c.2.2, d.3)."""

from nled.domain import schedule
from nled.domain.commands.change import REMOTE, Change, capabilities, lacks, reads
from nled.domain.commands.temperature import SAFETY, safe
from nled.domain.device import Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.quantities import flag

# What people call a mode, and what the thermostat calls it.
MODES = {
    "off": "off",
    "heat": "heat",
    "cool": "cool",
    "heat-cool": "range",
    "heat_cool": "range",
    "range": "range",
    "auto": "range",
    "emergency": "emergency",
}
# The fields that `parse_mode` looks at.
WIRING = capabilities("can_heat", "can_cool", "has_emer_heat")
_VALID = "off, heat, cool, heat-cool, range, auto, emergency"


@reads(**WIRING)
def set_mode(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Set what the thermostat does: off, heat, cool, range (by any of its names), emergency; in any case."""
    return (Change("shared", {"target_temperature_type": parse_mode(value, device)}),)


@reads()
def set_away(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Send the whole home into eco, or bring it back.

    Three fields bring it back: the time stamped one alone is dropped by a thermostat whose clock is
    off, and an `eco.mode` that is left over sends it into eco again (j-16).
    """
    away, now = flag("value", value), moment.now // 1000
    if away:
        return (Change("structure", {"manual_eco_all": True, "manual_eco_timestamp": now}),)
    eco = {"mode": "schedule", "touched_by": REMOTE, "mode_update_timestamp": now}
    return (
        Change("structure", {"manual_eco_all": False, "manual_eco_timestamp": now, "away": False}),
        Change("device", {"eco": eco}),
    )


@reads()
def set_schedule_mode(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Say which schedule is followed: HEAT, COOL or RANGE, in any case."""
    return (_schedule_mode(schedule.parse_mode(value)),)


@reads(shared=("schedule_mode",), device=SAFETY)
def set_schedule(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Replace the schedule; the thermostat only obeys one of the mode that `shared` names."""
    week = schedule.normalise(value)
    for where, degrees in schedule.temperatures(week):
        safe(where, degrees, device)
    mode = week["schedule_mode"]
    if device.shared.values.get("schedule_mode") == mode:
        return (Change("schedule", week),)
    return Change("schedule", week), _schedule_mode(mode)


def parse_mode(value: object, device: Device) -> str:
    """Read a mode that this thermostat has; raises BadRequest."""
    if not isinstance(value, str):
        raise BadRequest(f"value must be one of these modes: {_VALID}")
    name = value.lower()
    if name == "eco":
        raise BadRequest("Mode 'eco' is not set by set_mode: use set_away with value true.")
    mode = MODES.get(name)
    if mode is None:
        raise BadRequest(f"Unknown mode '{value[:40]}'. Valid modes: {_VALID}")
    no_heat, no_cool = (lacks(device, name, silence_is_no=False) for name in ("can_heat", "can_cool"))
    if mode == "heat" and no_heat:
        raise BadRequest("Device does not support heating (can_heat=false)")
    if mode == "cool" and no_cool:
        raise BadRequest("Device does not support cooling (can_cool=false)")
    if mode == "range" and (no_heat or no_cool):
        raise BadRequest("Range mode requires both heating and cooling capability")
    if mode == "emergency" and lacks(device, "has_emer_heat"):
        raise BadRequest("Device does not have emergency heat (has_emer_heat=false)")
    return mode


def _schedule_mode(mode: object) -> Change:
    return Change("shared", {"schedule_mode": mode})
