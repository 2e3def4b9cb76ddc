"""Settings: the YAML file and the environment become one frozen `Config`, or a refusal in sentences."""

from nled.config.loading import ConfigError, load
from nled.config.schema import (
    Config,
    Control,
    Device,
    Limits,
    Log,
    Pairing,
    Redis,
    Retention,
    Secret,
    Transport,
    Uploads,
)

__all__ = [
    "Config",
    "ConfigError",
    "Control",
    "Device",
    "Limits",
    "Log",
    "Pairing",
    "Redis",
    "Retention",
    "Secret",
    "Transport",
    "Uploads",
    "load",
]
