"""A simulated thermostat that speaks the device protocol and insists on its rules."""

from nled.simulator.errors import Trouble
from nled.simulator.poll import Limits
from nled.simulator.thermostat import Thermostat

__all__ = ["Limits", "Thermostat", "Trouble"]
