"""Settings from the environment, under the names that existing installations use."""

from collections.abc import Mapping
from typing import Final

from nled.config.values import Entry, parsed

NAMES: Final = {
    "NLED_STATE_DIR": "state_dir",
    "API_ORIGIN": "device.origin",
    "SERVER_HOST": "device.host",
    "SERVER_PORT": "device.port",
    "CERT_DIR": "device.cert_dir",
    "CONTROL_HOST": "control.host",
    "CONTROL_PORT": "control.port",
    "REDIS_URL": "redis.url",
    "SUSPEND_TIME_MAX": "transport.suspend_time_max",
    "DEFER_DEVICE_WINDOW": "transport.defer_device_window",
    "DISABLE_DEFER_WINDOW": "transport.disable_defer_window",
    "MAX_SUBSCRIPTIONS_PER_DEVICE": "transport.subscriptions_per_device",
    "REQUIRE_DEVICE_PAIRING": "pairing.required",
    "ENTRY_KEY_TTL_SECONDS": "pairing.entry_key_ttl",
    "STORE_DEVICE_LOGS": "uploads.store",
    "DEVICE_LOGS_DIR": "uploads.dir",
}

_SYSTEMD: Final = (
    ("STATE_DIRECTORY", "state_dir", ""),
    ("RUNTIME_DIRECTORY", "control.socket", "/control.sock"),
)
_NO_MQTT = "this version has no MQTT bridge"
_NOT_SERVED: Final = {
    "MQTT_HOST": _NO_MQTT,
    "MQTT_PORT": _NO_MQTT,
    "MQTT_USER": _NO_MQTT,
    "MQTT_PASSWORD": _NO_MQTT,
    "MQTT_TOPIC_PREFIX": _NO_MQTT,
    "MQTT_DISCOVERY_PREFIX": _NO_MQTT,
    "NLED_WORKERS": "this version runs as one process",
}


def overrides(environ: Mapping[str, str]) -> list[Entry]:
    """The settings that the environment sets; a variable set to nothing counts as not set."""
    given = {name: environ.get(name, "").strip() for name in NAMES}
    return [
        Entry(NAMES[name], parsed(NAMES[name], text), f"{name} ({NAMES[name]})")
        for name, text in given.items()
        if text
    ]


def fallbacks(environ: Mapping[str, str]) -> list[Entry]:
    """What systemd offers (`StateDirectory=` and its like), unless file or environment say otherwise."""
    entries = []
    for variable, path, below in _SYSTEMD:
        # With several directories in the unit, systemd lists all of them in one variable.
        if directory := environ.get(variable, "").partition(":")[0]:
            entries.append(Entry(path, directory + below, f"{variable} ({path})"))
    return entries


def warnings(environ: Mapping[str, str]) -> list[str]:
    """One sentence for each variable that is set in vain."""
    return [
        f"{name} is set, but {reason}; it is ignored."
        for name, reason in _NOT_SERVED.items()
        if environ.get(name, "").strip()
    ]
