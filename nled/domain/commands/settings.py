"""Any setting by its name, and the temperature lock (PROTOCOL.md c.2.4, d.6, h.3)."""

from collections.abc import Iterable

from nled.domain.commands.change import Change, capabilities, lacks, reads, require_order
from nled.domain.device import Device, Moment
from nled.domain.errors import BadRequest
from nled.domain.lock import is_pin_hash, parse_pin_hash
from nled.domain.quantities import celsius, whole
from nled.domain.settings import ALIASES, LONGEST_RUN, MINUTES, NEEDS, PAIRS, SETTINGS
from nled.domain.values import number as stored

ON, HASH = "temperature_lock", "temperature_lock_pin_hash"
LOW, HIGH = "temperature_lock_low_temp", "temperature_lock_high_temp"
_LOCK = (ON, HASH, LOW, HIGH)
_MOST_NAMED = 10


_CAPABILITIES = capabilities(*dict.fromkeys(name for names in NEEDS.values() for name in names))


@reads(
    shared=_CAPABILITIES["shared"],
    device=tuple(
        dict.fromkeys((*_CAPABILITIES["device"], *_LOCK, *(name for pair in PAIRS for name in pair)))
    ),
)
def set_device_setting(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:
    """Set fields of the device bucket: `{field: value}`, all or none of them.

    Raises:
        BadRequest: a field is not for people to set, is given twice by two names, or cannot have that
            value; a lower bound is not under its higher one; a lock without a PIN or bounds.
    """
    if not isinstance(value, dict):
        raise BadRequest("set_device_setting value must be a JSON object of {field: value} pairs")
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
        field = ALIASES.get(name) or MINUTES.get(name) or name
        if field in fields:
            raise BadRequest(f"{field} is given twice, once by another name.")
        if name in MINUTES:
            fields[field] = 60 * whole(name, given, 1, LONGEST_RUN // 60, "minutes")
        else:
            fields[field] = SETTINGS[field].read(name, given, moment.now // 1000)
    for field in fields:
        needed = NEEDS.get(field, ())
        if needed and all(lacks(device, name) for name in needed):
            raise BadRequest(f"{field} needs {' or '.join(needed)}, and the device says that it has none.")
    for low, high in PAIRS:
        require_order(fields, device.device, low, high)
    _check_lock(fields, device)
    return (Change("device", fields),)


@reads()
def set_lock(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Lock the dial to a range: `{"pin_hash": Base64, "temp_min": °C, "temp_max": °C}`.

    Raises:
        BadRequest: one is missing or cannot be, or a PIN came instead of its hash.
    """
    names = {"pin_hash", "temp_min", "temp_max"}
    if isinstance(value, dict) and "pin" in value:
        # Whoever sends a PIN once has told it to every proxy in between.
        raise BadRequest("A PIN is not taken: send pin_hash, which is Base64(SHA1(PIN + SERIAL)).")
    if not isinstance(value, dict) or set(value) != names:
        raise BadRequest('value must be {"pin_hash": Base64, "temp_min": °C, "temp_max": °C}.')
    pin_hash = parse_pin_hash("pin_hash", value["pin_hash"])
    low, high = (celsius(name, value[name]) for name in ("temp_min", "temp_max"))
    if low >= high:
        raise BadRequest(f"temp_min must be under temp_max; they are {low} and {high} °C.")
    return (Change("device", {ON: True, HASH: pin_hash, LOW: low, HIGH: high}),)


@reads()
def clear_lock(value: object, device: Device, moment: Moment) -> tuple[Change, ...]:  # noqa: ARG001
    """Unlock the dial and forget the PIN; the value counts for nothing."""
    return (Change("device", {ON: False, HASH: ""}),)


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
