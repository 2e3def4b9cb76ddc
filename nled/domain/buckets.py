"""Buckets: what is so of each type of them, their keys and their values (protocol h)."""

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from attrs import field, frozen

from nled.domain.relays import COOLING, FAN, HEATING

TEN_YEARS = 10 * 365 * 86_400_000
_KEY = re.compile(r"(?P<kind>[a-z][a-z0-9_]{0,39})\.(?P<id>[A-Za-z0-9_.@+\-]{1,80})")


@frozen
class BucketType:
    """What there is to know of all buckets of one type, such as `shared` (protocol h).

    Attributes:
        id: what their keys end in: the serial of the thermostat; the id of its user, or of its structure, of
            which there is one bucket for all devices of the home; or something else ("own").
        server_owned: whether only the server writes them; a device's write is answered but not applied
            (protocol h.1).
        replaced: whether they are replaced as a whole, not merged.
        momentary: fields that mean "now": sent until acknowledged, never after, and not once they are stale.
        companions: those of them that accompany a setpoint; on their own they are no change worth waking a
            battery for.
        recorded: as which series of a history fields are recorded.
        spacing: for how many ms after a push of one the next has to wait.
        hosted: whether the API in the shape of the hosted service shows them.
        transient: whether they hold what is on the screen just now, which is not taken over from elsewhere.
    """

    id: Literal["serial", "user", "structure", "own"] = "own"
    server_owned: bool = False
    replaced: bool = False
    momentary: frozenset[str] = frozenset()
    companions: frozenset[str] = frozenset()
    recorded: Mapping[str, str] = field(factory=dict)
    spacing: int = 0
    hosted: bool = False
    transient: bool = False

    @property
    def of_home(self) -> bool:
        """Whether there is one for all devices of a home."""
        return self.id in ("user", "structure")


_FROM_SERVER = BucketType(server_owned=True)

# All that nled does by the type of a bucket it looks up here, and store/scripts.py hands to Lua.
# A device is told of its home's buckets in this order: the name in `user` ends the pairing screen.
BUCKET_TYPES: Final[Mapping[str, BucketType]] = {
    "user": BucketType("user", server_owned=True, hosted=True),
    "structure": BucketType(
        "structure",
        server_owned=True,
        hosted=True,
        # Eco is obeyed by its time stamp only, for ten minutes (protocol a.12 no. 19).
        momentary=frozenset(
            {"manual_eco_all", "manual_eco_timestamp", "away_timestamp", "manual_away_timestamp"}
        ),
        recorded={"manual_eco_all": "eco", "away": "gone"},
    ),
    "shared": BucketType(
        "serial",
        hosted=True,
        momentary=frozenset(
            {
                "target_temperature",
                "target_temperature_low",
                "target_temperature_high",
                "target_change_pending",
                "touched_by",
            }
        ),
        companions=frozenset({"target_change_pending", "touched_by"}),
        recorded={
            "current_temperature": "temperature",
            "target_temperature": "target",
            "target_temperature_low": "low",
            "target_temperature_high": "high",
            "target_temperature_type": "mode",
            **{name: series for series, name in {**HEATING, **COOLING}.items()},
            FAN: "fan_relay",
            "auto_away": "sensor",
        },
    ),
    "device": BucketType(
        "serial",
        hosted=True,
        momentary=frozenset(
            {
                "fan_timer_timeout",
                "fan_timer_duration",
                "fan_timer_speed",
                "hot_water_boost_time_to_end",
                "eco",
            }
        ),
        # Two words about eco are one thing: the last one holds.
        recorded={
            "current_temperature": "temperature",
            "current_humidity": "humidity",
            "auto_away": "sensor",
            "eco": "eco",
            "eco_mode": "eco",
        },
    ),
    # A merged schedule would keep days and names that were deleted (protocol b.4.2). Of two that come within
    # 15 s a device loses one (protocol b.5).
    "schedule": BucketType("serial", hosted=True, replaced=True, spacing=15_000),
    "custom_schedule": BucketType(replaced=True),
    "occupancy": BucketType("serial"),
    "link": BucketType("serial", server_owned=True),
    "device_alert_dialog": BucketType("serial", server_owned=True, transient=True),
    "topaz": _FROM_SERVER,
    "servicegroup": _FROM_SERVER,
    "utility": _FROM_SERVER,
    "rate_plan": _FROM_SERVER,
    "demand_charge": _FROM_SERVER,
    "diamond_sensor_config": _FROM_SERVER,
}
# Of which nobody has said more: merged, the device's to write, and under an id of its own.
_PLAIN: Final = BucketType()
# The id of what a device has of a home while nobody has claimed it.
NO_HOME: Final = "default"

# How the server wrote a field: a setting, kept until the device writes it; momentary; or the companion of
# something momentary, which goes when the last of that does.
Kind = Literal["s", "m", "c"]


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


def bucket_type(kind: str) -> BucketType:
    """Look a type up; most that devices have nobody has said anything of."""
    return BUCKET_TYPES.get(kind, _PLAIN)


def is_foreign(key: ObjectKey, serial: str) -> bool:
    """Whether the key names another thermostat's bucket."""
    return key.id != serial and bucket_type(key.kind).id == "serial"


def kind_of(kind: str, name: str) -> Kind:
    """Say what becomes of a field of a bucket of some kind once the server has written it."""
    about = bucket_type(kind)
    if name not in about.momentary:
        return "s"
    return "c" if name in about.companions else "m"


def claimed(timestamp: float, now: int) -> int:
    """Read a timestamp a device claims, in ms; garbage counts as 0.

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
