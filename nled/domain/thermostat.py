"""A thermostat as people and programs see it: one typed view that every API shows.

It is a contract with clients that exist (protocol c.3, n.1 to n.3): no nulls but where the type says so.
Each field says of what it is made (`nled.domain.fields`).
"""

from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from nled.domain.availability import availability
from nled.domain.device import Delivery, Device
from nled.domain.eco import AWAY, EcoMode, away_of
from nled.domain.fields import (
    Facts,
    Maker,
    Reads,
    both,
    fact,
    first,
    flag,
    group,
    made,
    number,
    text,
    whole,
)
from nled.domain.relays import COOLING, FAN, HEATING
from nled.domain.rooms import NAMING, name_of

Mode = Literal["off", "heat", "cool", "range", "emergency"]
Action = Literal["off", "heating", "cooling", "fan", "idle"]

_MODES: Mapping[str, Mode] = {
    "off": "off",
    "heat": "heat",
    "cool": "cool",
    "range": "range",
    "heat-cool": "range",
    "emergency": "emergency",
}


def _mode(value: object) -> Mode | None:
    return _MODES.get(value.lower()) if isinstance(value, str) else None


def _scale(value: object) -> str | None:
    return "F" if value == "F" else None


def _any(*flags: bool) -> bool:
    return True in flags


def _is_complete(has_version: bool, *parts: object) -> bool:  # noqa: FBT001 - a field
    return has_version and None not in parts


def _action(mode: Mode | None, heating: bool, cooling: bool, fan: bool) -> Action:  # noqa: FBT001 - fields
    if mode in (None, "off"):
        return "off"
    if heating or cooling:
        return "heating" if heating else "cooling"
    return "fan" if fan else "idle"


def _percent(volts: float | None) -> int | None:
    """Read a battery's charge off its voltage: empty at 3.5 V, full at 4 V (protocol f.3)."""
    return None if volts is None else round(min(max((volts - 3.5) * 200, 0), 100))


# What several fields are made of.
_MODE = first(_mode, *both("target_temperature_type"))
_TEMPERATURE = number(*both("current_temperature"))
_TARGET = number(*both("target_temperature"))
_HUMIDITY = number("device.current_humidity")
_HAS_VERSION = fact(lambda facts: "current_version" in facts["device"], {"device": ("current_version",)})
_CONTACT = fact(lambda facts: availability(facts.device.seen, facts.now, facts.window))
_AWAY = fact(lambda facts: away_of(facts.device, facts.now), AWAY)
_RELAYS = {name: flag(*both(source)) for name, source in {**HEATING, **COOLING, "fan": FAN}.items()}
_IS_HEATING = made(_any, *(_RELAYS[name] for name in HEATING))
_IS_COOLING = made(_any, *(_RELAYS[name] for name in COOLING))


class Hvac(Struct, frozen=True):
    """Which relays are on, and what treats the air."""

    heater: Annotated[bool, _RELAYS["heater"]]
    heat_x2: Annotated[bool, _RELAYS["heat_x2"]]
    heat_x3: Annotated[bool, _RELAYS["heat_x3"]]
    ac: Annotated[bool, _RELAYS["ac"]]
    cool_x2: Annotated[bool, _RELAYS["cool_x2"]]
    cool_x3: Annotated[bool, _RELAYS["cool_x3"]]
    fan: Annotated[bool, _RELAYS["fan"]]
    aux_heat: Annotated[bool, _RELAYS["aux_heat"]]
    emer_heat: Annotated[bool, _RELAYS["emer_heat"]]
    alt_heat: Annotated[bool, _RELAYS["alt_heat"]]
    humidifier: Annotated[bool, flag("device.humidifier_state")]
    dehumidifier: Annotated[bool, flag("device.dehumidifier_state")]
    auto_dehum: Annotated[bool, flag("device.auto_dehum_state")]
    fan_cooling: Annotated[bool, flag("device.fan_cooling_state")]


# In the view itself, and in its `capabilities`.
_CanHeat = Annotated[bool, flag(*both("can_heat"), default=True)]
_CanCool = Annotated[bool, flag(*both("can_cool"), default=True)]
_HasFan = Annotated[bool, flag(*both("has_fan"))]
_HasEmerHeat = Annotated[bool, flag(*both("has_emer_heat"))]
_HasHumidifier = Annotated[bool, flag(*both("has_humidifier"))]
_HasDehumidifier = Annotated[bool, flag(*both("has_dehumidifier"))]


class Capabilities(Struct, frozen=True):
    """What a thermostat is wired to do."""

    can_heat: _CanHeat
    can_cool: _CanCool
    has_fan: _HasFan
    has_emer_heat: _HasEmerHeat
    has_humidifier: _HasHumidifier
    has_dehumidifier: _HasDehumidifier


class EcoTemperatures(Struct, frozen=True):
    """The bounds that are kept in eco, in °C."""

    high: float
    low: float


def _eco_temperatures(high: float | None, low: float | None) -> EcoTemperatures | None:
    return None if high is None or low is None else EcoTemperatures(high, low)


class PendingWrite(Struct, frozen=True):
    """Fields the server wrote that the device has not acknowledged; `timestamp` in ms."""

    key: str
    fields: tuple[str, ...]
    revision: int
    timestamp: int
    delivery: Delivery


def _pending(facts: Facts) -> tuple[PendingWrite, ...]:
    return tuple(
        PendingWrite(each.key, each.fields, each.revision, each.timestamp, each.delivery)
        for each in facts.device.pending
    )


class Status(Struct, frozen=True):
    """One thermostat. Temperatures in °C, humidity in %, `battery_level` in V.

    Attributes:
        api_key: always empty; it was the device's password once (protocol c.3).
        complete: whether the device has told all of itself; if not, defaults stand for the rest.
        last_seen: the last contact in whole seconds of UTC; 1970 for one that has never come.
        fan_timer_timeout: seconds since the epoch, 0 when off; `fan_timer_duration` is in s.
        time_to_target: as the device reports it: seconds since the epoch when above 10^9, else
            seconds (protocol b.6 no. 18).
        temperature_lock: whether a PIN is asked for; its hash is in no view.
        action: what the system does now (protocol f.3).
        pending: what the device has yet to acknowledge, oldest first.
    """

    serial: Annotated[str, fact(lambda facts: facts.device.serial)]
    api_key: Annotated[str, fact(lambda _: "")]
    complete: Annotated[bool, made(_is_complete, _HAS_VERSION, _TEMPERATURE, _TARGET, _MODE, _HUMIDITY)]
    is_available: Annotated[bool, made(attrgetter("is_available"), _CONTACT)]
    is_online: Annotated[bool, made(attrgetter("is_available"), _CONTACT)]
    last_seen: Annotated[datetime, Meta(tz=True), made(attrgetter("last_seen"), _CONTACT)]
    name: Annotated[str, fact(lambda facts: name_of(facts.device) or facts.device.serial, NAMING)]
    owner: Annotated[str | None, fact(lambda facts: facts.device.owner)]
    structure_id: Annotated[
        str,
        made(
            lambda claimed, told: claimed or told,
            fact(lambda facts: facts.device.structure),
            text(*both("structure_id")),
        ),
    ]
    current_temperature: Annotated[float, number(*both("current_temperature"), default=0.0)]
    target_temperature: Annotated[float, number(*both("target_temperature"), default=0.0)]
    target_temperature_high: Annotated[float | None, number(*both("target_temperature_high"))]
    target_temperature_low: Annotated[float | None, number(*both("target_temperature_low"))]
    mode: Annotated[Mode, made(lambda mode: mode or "off", _MODE)]
    action: Annotated[
        Action,
        made(
            _action,
            _MODE,
            _IS_HEATING,
            _IS_COOLING,
            made(_any, "fan_timer_active", flag("device.fan_control_state")),
        ),
    ]
    humidity: Annotated[int, made(lambda percent: int(percent or 0), _HUMIDITY)]
    target_humidity: Annotated[int, whole("device.target_humidity")]
    target_humidity_enabled: Annotated[bool, flag("device.target_humidity_enabled")]
    hvac: Annotated[Hvac, group(Hvac)]
    fan_timer_active: Annotated[
        bool,
        made(lambda until, now: until * 1000 > now, "fan_timer_timeout", fact(lambda facts: facts.now)),
    ]
    fan_timer_timeout: Annotated[int, whole("device.fan_timer_timeout")]
    fan_timer_duration: Annotated[int, whole("device.fan_timer_duration")]
    away: Annotated[bool, made(itemgetter(0), _AWAY)]
    eco_mode: Annotated[EcoMode, made(itemgetter(1), _AWAY)]
    eco_temperatures: Annotated[
        EcoTemperatures | None,
        made(
            _eco_temperatures, number("device.away_temperature_high"), number("device.away_temperature_low")
        ),
    ]
    has_leaf: Annotated[bool, flag("device.leaf")]
    software_version: Annotated[str, text("device.current_version")]
    temperature_scale: Annotated[Literal["C", "F"], first(_scale, "device.temperature_scale", default="C")]
    capabilities: Annotated[Capabilities, group(Capabilities)]
    can_heat: _CanHeat
    can_cool: _CanCool
    has_fan: _HasFan
    has_emer_heat: _HasEmerHeat
    has_humidifier: _HasHumidifier
    has_dehumidifier: _HasDehumidifier
    schedule_mode: Annotated[
        str,
        text(
            "shared.schedule_mode",
            "device.current_schedule_mode",
            "device.schedule_mode",
            "schedule.schedule_mode",
        ),
    ]
    time_to_target: Annotated[int, whole("device.time_to_target")]
    time_to_target_training_status: Annotated[str, text("device.time_to_target_training")]
    safety_state: Annotated[str, text("device.safety_state")]
    safety_temp_activating_hvac: Annotated[bool, flag("device.safety_temp_activating_hvac")]
    learning_mode: Annotated[bool, flag("device.learning_mode")]
    preconditioning_enabled: Annotated[bool, flag("device.preconditioning_enabled")]
    # The two sensors are a hand apart; 0 °C would be further off.
    backplate_temperature: Annotated[
        float, number("device.backplate_temperature", *both("current_temperature"), default=0.0)
    ]
    battery_level: Annotated[float | None, number("device.battery_level")]
    battery_percent: Annotated[int | None, made(_percent, "battery_level")]
    temperature_lock: Annotated[bool, flag("device.temperature_lock")]
    temperature_lock_low_temp: Annotated[float | None, number("device.temperature_lock_low_temp")]
    temperature_lock_high_temp: Annotated[float | None, number("device.temperature_lock_high_temp")]
    local_ip: Annotated[str, text("device.local_ip")]
    mac_address: Annotated[str, text("device.mac_address")]
    subscription_count: Annotated[int, fact(lambda facts: facts.subscriptions)]
    pending: Annotated[tuple[PendingWrite, ...], fact(_pending)]


_STATUS: Final = Maker(Status)
# The fields that a view reads, by type of bucket.
VIEW: Final[Reads] = _STATUS.reads


def view(device: Device, now: int, window_ms: int, subscriptions: int) -> Status:
    """Make the view of a device at `now` (ms), which holds so many `subscriptions`, i.e. polls.

    It counts as available for `window_ms` after its last contact.
    """
    return _STATUS.make(Facts(device, now, window_ms, subscriptions))
