"""Settings: the YAML file and the environment become one frozen `Config`, or a refusal in sentences."""

from nled.config.loading import ConfigError, load
from nled.config.schema import (
    Api,
    Config,
    Control,
    Device,
    History,
    Home,
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
    "Api",
    "Config",
    "ConfigError",
    "Control",
    "Device",
    "History",
    "Home",
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
