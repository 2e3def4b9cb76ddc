"""Commands: what a person asks for, turned into the bucket fields that say so (PROTOCOL.md c.2, d.3).

`/command`, MQTT and nledctl send a name and a value, which `plan` takes; what the hosted API sends is
in `nled.domain.commands.hosted`. Everything is checked before anything is written.
"""

from collections.abc import Mapping

from nled.domain.commands.change import Change, Rule
from nled.domain.commands.equipment import set_fan, set_hot_water, set_humidity
from nled.domain.commands.modes import set_away, set_mode, set_schedule, set_schedule_mode
from nled.domain.commands.settings import clear_lock, set_device_setting, set_lock
from nled.domain.commands.temperature import HIGH, LIMITS, LOW, set_eco_temperatures, set_temperature
from nled.domain.device import Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.lock import SECRET
from nled.domain.quantities import HIGHEST, LOWEST
from nled.domain.settings import PAIRS

__all__ = ["COMMANDS", "HIGHEST", "LOWEST", "SECRET", "WANTED", "Change", "Device", "Moment", "Rule", "plan"]

COMMANDS: Mapping[str, Rule] = {
    "set_temperature": set_temperature,
    "set_mode": set_mode,
    "set_away": set_away,
    "set_fan": set_fan,
    "set_eco_temperatures": set_eco_temperatures,
    "set_schedule": set_schedule,
    "set_schedule_mode": set_schedule_mode,
    "set_device_setting": set_device_setting,
    "set_lock": set_lock,
    "clear_lock": clear_lock,
    "set_humidity": set_humidity,
    "set_hot_water": set_hot_water,
}

_CAPABILITIES = (
    "can_heat",
    "can_cool",
    "has_emer_heat",
    "has_fan",
    "has_humidifier",
    "has_dehumidifier",
    "has_hot_water_control",
    "has_hot_water_temperature",
)

# The fields that rules look at, by kind of bucket.
WANTED: Mapping[str, tuple[str, ...]] = {
    "shared": (*_CAPABILITIES, LOW, HIGH, "target_temperature_type", "schedule_mode"),
    "device": tuple(
        dict.fromkeys(
            (
                *_CAPABILITIES,
                *LIMITS,
                *(name for pair in PAIRS for name in pair),
                "temperature_lock_pin_hash",
                "fan_timer_duration",
            )
        )
    ),
}


def plan(command: str, value: object, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Turn a command into what is to be written, the main bucket first.

    Args:
        command: one of `COMMANDS`.
        value: as JSON has it; anything at all.
        device: as it stands, with the fields of `WANTED`.
        moment: when this is asked.

    Raises:
        BadRequest: no such command, or a value it cannot take.
    """
    rule = COMMANDS.get(command)
    if rule is None:
        raise BadRequest(f"Unknown command: {command[:40]}")
    return rule(value, device, moment)
