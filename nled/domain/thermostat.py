"""A thermostat as people and programs see it: one typed view that every API shows (`nled.domain.status`).

What a device stored may be of any JSON type; what is not of the right one counts as missing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nled.domain.availability import available
from nled.domain.device import Device
from nled.domain.eco import away_of
from nled.domain.rooms import room
from nled.domain.status import (
    Action,
    Capabilities,
    EcoTemperatures,
    Hvac,
    Mode,
    PendingWrite,
    Status,
)
from nled.domain.values import flag, number, text, whole

Values = Mapping[str, Any]

_MODES: Mapping[object, Mode] = {
    "off": "off",
    "heat": "heat",
    "cool": "cool",
    "range": "range",
    "heat-cool": "range",
    "emergency": "emergency",
}
_RELAYS = {
    "heater": "hvac_heater_state",
    "heat_x2": "hvac_heat_x2_state",
    "heat_x3": "hvac_heat_x3_state",
    "ac": "hvac_ac_state",
    "cool_x2": "hvac_cool_x2_state",
    "cool_x3": "hvac_cool_x3_state",
    "fan": "hvac_fan_state",
    "aux_heat": "hvac_aux_heater_state",
    "emer_heat": "hvac_emer_heat_state",
    "alt_heat": "hvac_alt_heat_state",
}
_HEATING = ("heater", "heat_x2", "heat_x3", "aux_heat", "emer_heat", "alt_heat")
_COOLING = ("ac", "cool_x2", "cool_x3")
_AIR = {
    "humidifier": "humidifier_state",
    "dehumidifier": "dehumidifier_state",
    "auto_dehum": "auto_dehum_state",
    "fan_cooling": "fan_cooling_state",
}
_CAPABILITIES = {
    "can_heat": True,
    "can_cool": True,
    "has_fan": False,
    "has_emer_heat": False,
    "has_humidifier": False,
    "has_dehumidifier": False,
}
_SHARED_FIRST = (
    "current_temperature",
    "target_temperature",
    "target_temperature_low",
    "target_temperature_high",
    "target_temperature_type",
    "auto_away",
    "schedule_mode",
    "structure_id",
    "hvac_alt_heat_x2_state",
    *_RELAYS.values(),
    *_CAPABILITIES,
)

# The fields that `name_of` reads, by kind of bucket.
NAMING: Mapping[str, tuple[str, ...]] = {
    "shared": ("label", "name"),
    "device": ("where_id",),
    "where": ("wheres",),
}
# The fields that `view` reads, by kind of bucket.
VIEW: Mapping[str, tuple[str, ...]] = {
    "shared": (*_SHARED_FIRST, *NAMING["shared"]),
    "device": (
        *_SHARED_FIRST,
        *_AIR.values(),
        "away_temperature_high",
        "away_temperature_low",
        "backplate_temperature",
        "battery_level",
        "current_humidity",
        "current_schedule_mode",
        "current_version",
        "eco",
        "eco_mode",
        "fan_control_state",
        "fan_timer_duration",
        "fan_timer_timeout",
        "leaf",
        "learning_mode",
        "local_ip",
        "mac_address",
        "preconditioning_enabled",
        "safety_state",
        "safety_temp_activating_hvac",
        "target_humidity",
        "target_humidity_enabled",
        "temperature_lock",
        "temperature_lock_high_temp",
        "temperature_lock_low_temp",
        "temperature_scale",
        "time_to_target",
        "time_to_target_training",
        *NAMING["device"],
    ),
    "structure": ("manual_eco_all", "manual_eco_timestamp", "away"),
    "schedule": ("schedule_mode",),
    "where": NAMING["where"],
}


def name_of(device: Device) -> str | None:
    """Return what a thermostat is called: by its people, else after its room; None if by neither."""
    shared, own = device.shared.values, device.device.values
    if given := text(shared.get("label"), shared.get("name")):
        return given
    for bucket in device.buckets.values():
        if bucket.key.kind == "where" and (found := room(own.get("where_id"), bucket.values.get("wheres"))):
            return found
    return room(own.get("where_id"))


def view(device: Device, now: int, window_ms: int, subscriptions: int) -> Status:
    """Make the view of a device at `now` (ms), which holds so many `subscriptions`, i.e. polls.

    It counts as available for `window_ms` after its last contact.
    """
    shared, own = device.shared.values, device.device.values
    temperature = number(shared.get("current_temperature"), own.get("current_temperature"))
    target = number(shared.get("target_temperature"), own.get("target_temperature"))
    mode = _mode(shared.get("target_temperature_type"), own.get("target_temperature_type"))
    humidity = number(own.get("current_humidity"))
    relays = {name: flag(shared.get(field), own.get(field)) for name, field in _RELAYS.items()}
    can = {
        name: flag(shared.get(name), own.get(name), default=default)
        for name, default in _CAPABILITIES.items()
    }
    timeout = whole(own.get("fan_timer_timeout"))
    fan = timeout * 1000 > now
    heating = any(relays[name] for name in _HEATING) or flag(
        shared.get("hvac_alt_heat_x2_state"), own.get("hvac_alt_heat_x2_state")
    )
    cooling = any(relays[name] for name in _COOLING)
    away, eco = away_of(device, now)
    volts = number(own.get("battery_level"))
    is_there = available(device.seen, now, window_ms)
    return Status(
        serial=device.serial,
        api_key="",
        complete=None not in (temperature, target, mode, humidity) and "current_version" in own,
        is_available=is_there,
        is_online=is_there,
        last_seen=datetime.fromtimestamp((device.seen or 0) // 1000, UTC),
        name=name_of(device) or device.serial,
        owner=device.owner,
        structure_id=device.structure or text(shared.get("structure_id"), own.get("structure_id")),
        current_temperature=temperature or 0.0,
        target_temperature=target or 0.0,
        target_temperature_high=number(
            shared.get("target_temperature_high"), own.get("target_temperature_high")
        ),
        target_temperature_low=number(
            shared.get("target_temperature_low"), own.get("target_temperature_low")
        ),
        mode=mode or "off",
        action=_action(
            mode, heating=heating, cooling=cooling, fan=fan or own.get("fan_control_state") is True
        ),
        humidity=int(humidity or 0),
        target_humidity=whole(own.get("target_humidity")),
        target_humidity_enabled=own.get("target_humidity_enabled") is True,
        hvac=Hvac(**relays, **{name: own.get(field) is True for name, field in _AIR.items()}),
        fan_timer_active=fan,
        fan_timer_timeout=timeout,
        fan_timer_duration=whole(own.get("fan_timer_duration")),
        away=away,
        eco_mode=eco,
        eco_temperatures=_eco_temperatures(own),
        has_leaf=own.get("leaf") is True,
        software_version=text(own.get("current_version")),
        temperature_scale="F" if own.get("temperature_scale") == "F" else "C",
        capabilities=Capabilities(**can),
        **can,
        schedule_mode=text(
            shared.get("schedule_mode"),
            own.get("current_schedule_mode"),
            own.get("schedule_mode"),
            device.schedule.values.get("schedule_mode"),
        ),
        time_to_target=whole(own.get("time_to_target")),
        time_to_target_training_status=text(own.get("time_to_target_training")),
        safety_state=text(own.get("safety_state")),
        safety_temp_activating_hvac=own.get("safety_temp_activating_hvac") is True,
        learning_mode=own.get("learning_mode") is True,
        preconditioning_enabled=own.get("preconditioning_enabled") is True,
        # The two sensors are a hand apart; 0 °C would be further off.
        backplate_temperature=number(own.get("backplate_temperature"), temperature) or 0.0,
        battery_level=volts,
        battery_percent=None if volts is None else _percent(volts),
        temperature_lock=own.get("temperature_lock") is True,
        temperature_lock_low_temp=number(own.get("temperature_lock_low_temp")),
        temperature_lock_high_temp=number(own.get("temperature_lock_high_temp")),
        local_ip=text(own.get("local_ip")),
        mac_address=text(own.get("mac_address")),
        subscription_count=subscriptions,
        pending=tuple(
            PendingWrite(each.key, each.fields, each.revision, each.timestamp, each.delivery)
            for each in device.pending
        ),
    )


def _mode(*values: object) -> Mode | None:
    for value in values:
        if isinstance(value, str) and (mode := _MODES.get(value.lower())):
            return mode
    return None


def _eco_temperatures(own: Values) -> EcoTemperatures | None:
    high, low = number(own.get("away_temperature_high")), number(own.get("away_temperature_low"))
    return None if high is None or low is None else EcoTemperatures(high, low)


def _action(mode: Mode | None, *, heating: bool, cooling: bool, fan: bool) -> Action:
    if mode in (None, "off"):
        return "off"
    if heating or cooling:
        return "heating" if heating else "cooling"
    return "fan" if fan else "idle"


def _percent(volts: float) -> int:
    """Read a battery's charge off its voltage: empty at 3.5 V, full at 4 V (PROTOCOL.md f.3)."""
    return round(min(max((volts - 3.5) * 200, 0), 100))
