"""Commands: what a person asks for, turned into the bucket fields that say so (protocol c.2, d.3).

Each is defined once, as `nled.domain.commands.definition` says; a new one is a function in the module of its
kind, and nothing else knows its name. `/command`, MQTT and nledctl send a name and a value, the hosted API
sends the body of a request. Everything is checked before anything is written.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from nled.domain.commands import equipment, hosted, modes, settings, temperature
from nled.domain.commands.change import Change, Rule
from nled.domain.commands.definition import Command, Hosted, Typed
from nled.domain.errors import BadRequest
from nled.domain.lock import SECRET

__all__ = ["COMMANDS", "HOSTED", "SECRET", "Change", "Command", "Hosted", "Rule", "Typed", "rule_of"]

_DEFINED = [
    each for module in (temperature, hosted, modes, equipment, settings) for each in vars(module).values()
]
COMMANDS: Mapping[str, Command[Any]] = MappingProxyType(
    {each.name: each for each in _DEFINED if isinstance(each, Command)}
)
HOSTED = tuple(each for each in _DEFINED if isinstance(each, Hosted))


def rule_of(command: str) -> Command[Any]:
    """Find a command; raises BadRequest where there is none of that name."""
    found = COMMANDS.get(command)
    if found is None:
        raise BadRequest(f"Unknown command: {command[:40]}")
    return found
