"""Mode, away, and the schedule that goes with the mode (protocol c.2, c.2.2, d.3)."""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from nled.domain import schedule
from nled.domain.commands.change import REMOTE, Change, capabilities, lacks
from nled.domain.commands.definition import Typed, command, hosted
from nled.domain.commands.temperature import SAFETY, safe
from nled.domain.commands.week import Week
from nled.domain.device import Device, Moment
from nled.domain.errors import BadRequest

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
# Names are taken in any case, which a schema cannot say.
Mode: TypeAlias = Annotated[
    str, Meta(extra={"form": f"one of {_VALID}"}, extra_json_schema={"enum": list(MODES)})
]


@command(
    reads=WIRING, writes={"shared": ("target_temperature_type",)}, examples=tuple(MODES), typed=Typed("heat")
)
def set_mode(value: Mode, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Set what the thermostat does; heat-cool, heat_cool, range and auto are one."""
    return (Change("shared", {"target_temperature_type": parse_mode(value, device)}),)


class ModeBody(Struct):
    """What the thermostat does."""

    mode: Mode


@hosted("mode", "Set the mode", reads=set_mode.reads, examples=({"mode": "heat-cool"},))
def hosted_mode(body: ModeBody, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Set the mode."""
    return set_mode.of(body.mode, device, moment)


@command(
    writes={
        "structure": ("manual_eco_all", "manual_eco_timestamp", "away"),
        "device": ("eco",),
    },
    examples=(True, False),
    typed=Typed("on"),
)
def set_away(value: bool, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001, FBT001
    """Keep the whole home at its eco temperatures, or no longer.

    Three fields bring it back: the time stamped one alone is dropped by a thermostat whose clock is
    off, and an `eco.mode` that is left over sends it into eco again.
    """
    now = moment.now // 1000
    if value:
        return (Change("structure", {"manual_eco_all": True, "manual_eco_timestamp": now}),)
    eco = {"mode": "schedule", "touched_by": REMOTE, "mode_update_timestamp": now}
    return (
        Change("structure", {"manual_eco_all": False, "manual_eco_timestamp": now, "away": False}),
        Change("device", {"eco": eco}),
    )


class AwayBody(Struct):
    """Whether the home is in eco."""

    away: bool


@hosted("away", "Set away", reads=set_away.reads, examples=({"away": True}, {"away": False}))
def hosted_away(body: AwayBody, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Send the home into eco, or bring it back."""
    return set_away.of(body.away, device, moment)


@command(
    writes={"shared": ("schedule_mode",)},
    examples=schedule.MODES,
    described=Literal["HEAT", "COOL", "RANGE"],
    typed=Typed("HEAT"),
)
def set_schedule_mode(value: Any, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Say which schedule is followed."""
    return (_schedule_mode(schedule.parse_mode(value)),)


_WEEK = {
    "ver": 2,
    "schedule_mode": "HEAT",
    "days": {"6": [{"type": "HEAT", "time": "21600", "temp": 20.5}], "0": {}},
}


@command(
    reads={"shared": ("schedule_mode",), "device": SAFETY},
    writes={"schedule": ("ver", "name", "schedule_mode", "days"), "shared": ("schedule_mode",)},
    examples=(_WEEK,),
    described=Week,
)
def set_schedule(value: Any, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Replace the schedule.

    The thermostat only obeys one of the mode that `shared` names.
    """
    week = schedule.normalise(value)
    for where, degrees in schedule.temperatures(week):
        safe(where, degrees, device)
    mode = week["schedule_mode"]
    if device.shared.values.get("schedule_mode") == mode:
        return (Change("schedule", week),)
    return Change("schedule", week), _schedule_mode(mode)


class ScheduleBody(Struct):
    """A schedule that replaces the one there is."""

    schedule: dict[str, Any]


class WeekBody(Struct):
    """A schedule that replaces the one there is."""

    schedule: Week


@hosted(
    "schedule",
    "Replace the schedule",
    method="PUT",
    reads=set_schedule.reads,
    examples=({"schedule": _WEEK},),
    described=WeekBody,
)
def hosted_schedule(body: ScheduleBody, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Replace the schedule."""
    return set_schedule.of(body.schedule, device, moment)


def parse_mode(value: str, device: Device) -> str:
    """Read a mode that this thermostat has; raises BadRequest."""
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
