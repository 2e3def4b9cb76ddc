"""Any setting by its name, and the temperature lock (protocol c.2.4, d.6, h.3)."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from nled.domain.commands.change import Change, capabilities, lacks, require_order, together
from nled.domain.commands.definition import Typed, command, hosted
from nled.domain.device import Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.lock import SAMPLE_HASH, PinHash, is_pin_hash
from nled.domain.quantities import SOME, High, Low
from nled.domain.settings import ALIASES, MINUTES, NEEDS, PAIRS, SETTINGS
from nled.domain.values import number as stored

ON, HASH = "temperature_lock", "temperature_lock_pin_hash"
LOW, HIGH = "temperature_lock_low_temp", "temperature_lock_high_temp"
_LOCK = (ON, HASH, LOW, HIGH)
_MOST_NAMED = 10


def _also(names: Mapping[str, str]) -> str:
    return ", ".join(f"`{other}` for `{name}`" for other, name in names.items())


DeviceSettings = defstruct(
    "DeviceSettings",
    [(name, setting.kind | UnsetType, UNSET) for name, setting in SETTINGS.items()],
    forbid_unknown_fields=True,
    namespace={
        "__doc__": "Any settings of the thermostat, all or none of which are set. Some have other names too: "
        f"{_also({**ALIASES, **{other: name for other, (name, _) in MINUTES.items()}})}; "
        "none may be given by both names."
    },
)
_PAIRS = Meta(extra={"otherwise": "set_device_setting value must be a JSON object of {field: value} pairs"})


@command(
    reads=together(
        capabilities(*dict.fromkeys(name for names in NEEDS.values() for name in names)),
        {"device": (*_LOCK, *(name for pair in PAIRS for name in pair))},
    ),
    writes={"device": tuple(SETTINGS)},
    examples=(
        {"learning_mode": True, "target_humidity": 40, "click_sound": "off", "country_code": "US"},
        {"fan_timer_duration": 900, "temperature_lock_pin_hash": ""},
        {"away_temperature_low": 15, "away_temperature_high": 28},
    ),
    described=Annotated[DeviceSettings, SOME],
    typed=Typed("temperature_scale=F sunlight_correction_enabled=true", "setting"),
)
def set_device_setting(
    value: Annotated[dict[str, Any], _PAIRS], device: Device, moment: Moment
) -> tuple[Change, ...]:
    """Set any settings by their names.

    Raises:
        BadRequest: a field is not for people to set, is given twice by two names, or cannot have that
            value; a lower bound is not under its higher one; a lock without a PIN or bounds.
    """
    if not value:
        raise BadRequest("No values to update")
    if unknown := [
        name for name in value if name not in SETTINGS and name not in ALIASES and name not in MINUTES
    ]:
        raise BadRequest(
            f"Fields not cloud-writable: {_listed(unknown)}. Only device bucket mode-2 fields are accepted."
        )
    fields: dict[str, object] = {}
    for name, given in value.items():
        in_minutes = MINUTES.get(name)
        field = in_minutes[0] if in_minutes else ALIASES.get(name, name)
        if field in fields:
            raise BadRequest(f"{field} is given twice, once by another name.")
        setting = in_minutes[1] if in_minutes else SETTINGS[field]
        fields[field] = setting.read(name, given, moment.now // 1000)
    for field in fields:
        needed = NEEDS.get(field, ())
        if needed and all(lacks(device, name) for name in needed):
            raise BadRequest(f"{field} needs {' or '.join(needed)}, and the device says that it has none.")
    for low, high in PAIRS:
        require_order(fields, device.device, low, high)
    _check_lock(fields, device)
    return (Change("device", fields),)


class LockValue(Struct, forbid_unknown_fields=True):
    """The PIN's hash, and the range that the dial is locked to; temp_min is under temp_max."""

    pin_hash: PinHash
    temp_min: Low
    temp_max: High

    def __post_init__(self) -> None:
        if self.temp_min >= self.temp_max:
            raise ValueError(
                f"temp_min must be under temp_max; they are {self.temp_min} and {self.temp_max} °C."
            )


# Whoever sends a PIN once has told it to every proxy in between.
_NO_PIN = Meta(
    extra={"unknown": {"pin": "A PIN is not taken: send pin_hash, which is Base64(SHA1(PIN + SERIAL))."}}
)
_SAMPLE = {"pin_hash": SAMPLE_HASH, "temp_min": 18, "temp_max": 24}


@command(writes={"device": _LOCK}, examples=(_SAMPLE,))
def set_lock(
    value: Annotated[LockValue, _NO_PIN],
    device: Device,  # noqa: ARG001
    moment: Moment,  # noqa: ARG001
) -> tuple[Change, ...]:
    """Lock the dial to a range."""
    fields = {ON: True, HASH: value.pin_hash, LOW: value.temp_min, HIGH: value.temp_max}
    return (Change("device", fields),)


@command(writes={"device": (ON, HASH)}, examples=(None,))
def clear_lock(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Unlock the dial and forget the PIN."""
    return (Change("device", {ON: False, HASH: ""}),)


class EnableLock(LockValue, forbid_unknown_fields=False):
    """Lock the dial to a range, temp_min under temp_max."""

    enabled: Annotated[bool, Meta(extra_json_schema={"const": True})]


class DisableLock(Struct):
    """Unlock the dial and forget the PIN; what else is sent counts for nothing."""

    enabled: Annotated[bool, Meta(extra_json_schema={"const": False})]


def _enables(body: Mapping[str, Any]) -> type:
    return DisableLock if body.get("enabled") is False else EnableLock


@hosted(
    "lock",
    "Lock the temperature, or unlock it",
    reads=set_lock.reads,
    missing={
        name: f"{name} must be given to enable the lock." for name in ("pin_hash", "temp_min", "temp_max")
    },
    pick=_enables,
    examples=({"enabled": True, **_SAMPLE}, {"enabled": False}),
)
def hosted_lock(body: EnableLock | DisableLock, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Lock the dial to a range, or unlock it."""
    if isinstance(body, DisableLock):
        return clear_lock.of(None, device, moment)
    return set_lock.of(LockValue(body.pin_hash, body.temp_min, body.temp_max), device, moment)


def _check_lock(fields: dict[str, object], device: Device) -> None:
    """Refuse a lock that nobody could open, or that does not say to what range."""
    if not any(name in fields for name in _LOCK):
        return
    lock = {name: fields.get(name, device.device.values.get(name)) for name in _LOCK}
    if lock[ON] is not True:
        return
    missing = [name for name in (LOW, HIGH) if stored(lock[name]) is None]
    if not is_pin_hash(lock[HASH]):
        missing.append(HASH)
    if missing:
        raise BadRequest(f"{ON} needs {_listed(missing)} too.")


def _listed(names: Iterable[str]) -> str:
    shown = [name[:40] for name in names]
    return ", ".join(shown[:_MOST_NAMED]) + (", ..." if len(shown) > _MOST_NAMED else "")
