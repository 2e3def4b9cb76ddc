"""Commands: what a person asks for, turned into the bucket fields that say so (PROTOCOL.md c.2, d.3).

`/command`, MQTT and nledctl send a name and a value, which the rule of that name takes; what the hosted API
sends is in `nled.domain.commands.hosted`. Everything is checked before anything is written.
"""

from collections.abc import Mapping

from nled.domain.commands.change import Change, Rule
from nled.domain.commands.equipment import set_fan, set_hot_water, set_humidity
from nled.domain.commands.modes import set_away, set_mode, set_schedule, set_schedule_mode
from nled.domain.commands.settings import clear_lock, set_device_setting, set_lock
from nled.domain.commands.temperature import set_eco_temperatures, set_temperature
from nled.domain.errors import BadRequest
from nled.domain.lock import SECRET
from nled.domain.quantities import HIGHEST, LOWEST

__all__ = ["COMMANDS", "HIGHEST", "LOWEST", "SECRET", "Change", "Rule", "rule_of"]

COMMANDS: Mapping[str, Rule[object]] = {
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


def rule_of(command: str) -> Rule[object]:
    """Find a command's rule; raises BadRequest for what is no command."""
    rule = COMMANDS.get(command)
    if rule is None:
        raise BadRequest(f"Unknown command: {command[:40]}")
    return rule
