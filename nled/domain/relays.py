"""The relays of a thermostat: the fields of `shared` that say which are on (protocol b.6)."""

from collections.abc import Mapping
from typing import Final

# By the names under which they are recorded and shown. The system heats, or cools, while any of these is on.
HEATING: Final[Mapping[str, str]] = {
    "heater": "hvac_heater_state",
    "heat_x2": "hvac_heat_x2_state",
    "heat_x3": "hvac_heat_x3_state",
    "aux_heat": "hvac_aux_heater_state",
    "alt_heat": "hvac_alt_heat_state",
    "alt_heat_x2": "hvac_alt_heat_x2_state",
    "emer_heat": "hvac_emer_heat_state",
}
COOLING: Final[Mapping[str, str]] = {
    "ac": "hvac_ac_state",
    "cool_x2": "hvac_cool_x2_state",
    "cool_x3": "hvac_cool_x3_state",
}
FAN: Final = "hvac_fan_state"
