"""Buckets: their keys, who may write them, and which fields are momentary (PROTOCOL.md h)."""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec
from attrs import frozen

TEN_YEARS = 10 * 365 * 86_400_000
_KEY = re.compile(r"(?P<kind>[a-z][a-z0-9_]{0,39})\.(?P<id>[A-Za-z0-9_.@+\-]{1,80})")

# Keyed by the thermostat's own serial: another serial in the key is somebody else's bucket.
PER_DEVICE = frozenset({"device", "shared", "schedule", "link", "device_alert_dialog", "occupancy"})

# Server to device only (PROTOCOL.md h.1); a device's write to one is answered but not applied.
SERVER_OWNED = frozenset(
    {
        "user",
        "structure",
        "link",
        "device_alert_dialog",
        "topaz",
        "servicegroup",
        "utility",
        "rate_plan",
        "demand_charge",
        "diamond_sensor_config",
    }
)

# Replaced as a whole: a merged schedule would keep days and names that were deleted (b.4.2).
REPLACED = frozenset({"schedule", "custom_schedule"})

# Fields that mean "now": sent until acknowledged, never after, and not at all once they are stale.
MOMENTARY: Mapping[str, frozenset[str]] = {
    "shared": frozenset(
        {
            "target_temperature",
            "target_temperature_low",
            "target_temperature_high",
            "target_change_pending",
            "touched_by",
        }
    ),
    "device": frozenset(
        {
            "fan_timer_timeout",
            "fan_timer_duration",
            "fan_timer_speed",
            "hot_water_boost_time_to_end",
            "eco",
        }
    ),
    # Eco is obeyed only by its time stamp, and for ten minutes (a.12 no. 19): without it this says nothing.
    "structure": frozenset(
        {"manual_eco_all", "manual_eco_timestamp", "away_timestamp", "manual_away_timestamp"}
    ),
}

# How the server wrote a field: a setting, kept until the device writes it; momentary; or the companion of
# something momentary, which goes when the last of that does.
Kind = Literal["s", "m", "c"]
# Accompany a setpoint; on their own they are no change worth waking a battery for.
COMPANIONS = frozenset({"target_change_pending", "touched_by"})


@frozen
class ObjectKey:
    """A bucket's name on the wire: `kind.id`, such as `shared.02AA01AC33140F61`."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.id}"


def parse_key(text: object, serial: str) -> ObjectKey | None:
    """Read an object key; the caller's own serial is folded to upper case. None if it is no key."""
    if not isinstance(text, str) or not (match := _KEY.fullmatch(text)):
        return None
    identifier = match["id"]
    return ObjectKey(match["kind"], serial if identifier.upper() == serial else identifier)


def is_foreign(key: ObjectKey, serial: str) -> bool:
    """Whether the key names another thermostat's bucket."""
    return key.kind in PER_DEVICE and key.id != serial


def kind_of(kind: str, name: str) -> Kind:
    """Say what becomes of a field of a bucket of some kind once the server has written it."""
    if name not in MOMENTARY.get(kind, ()):
        return "s"
    return "c" if name in COMPANIONS else "m"


def claimed(timestamp: float, now: int) -> int:
    """Read a timestamp a device claims, in ms; garbage counts as 0 (DESIGN.md 2).

    Garbage is a fraction, a negative number, or more than ten years ahead of `now`.
    """
    if timestamp != int(timestamp) or not 0 <= timestamp <= now + TEN_YEARS:
        return 0
    return int(timestamp)


def encode(value: object) -> str:
    """Write a value as compact ASCII JSON, the form in which fields are stored and sent.

    The firmware scans text by hand; ASCII only spares it every question of encoding.
    """
    text = msgspec.json.encode(value).decode()
    if text.isascii():
        return text
    return "".join(char if char < "\x80" else _escape(char) for char in text)


def _escape(char: str) -> str:
    utf16 = char.encode("utf-16-be")
    return "".join(f"\\u{utf16[i]:02x}{utf16[i + 1]:02x}" for i in range(0, len(utf16), 2))
