"""The shape in which a thermostat is shown to people and programs.

It is a contract with clients that exist (PROTOCOL.md c.3, n.1 to n.3): no nulls but where the type says so.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from nled.domain.device import Delivery
from nled.domain.eco import EcoMode

Mode = Literal["off", "heat", "cool", "range", "emergency"]
Action = Literal["off", "heating", "cooling", "fan", "idle"]


class Hvac(Struct, frozen=True, kw_only=True):
    """Which relays are on, and what treats the air."""

    heater: bool
    heat_x2: bool
    heat_x3: bool
    ac: bool
    cool_x2: bool
    cool_x3: bool
    fan: bool
    aux_heat: bool
    emer_heat: bool
    alt_heat: bool
    humidifier: bool
    dehumidifier: bool
    auto_dehum: bool
    fan_cooling: bool


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a thermostat is wired to do."""

    can_heat: bool
    can_cool: bool
    has_fan: bool
    has_emer_heat: bool
    has_humidifier: bool
    has_dehumidifier: bool


class EcoTemperatures(Struct, frozen=True):
    """The bounds that are kept in eco, in °C."""

    high: float
    low: float


class PendingWrite(Struct, frozen=True):
    """Fields the server wrote that the device has not acknowledged; `timestamp` in ms."""

    key: str
    fields: tuple[str, ...]
    revision: int
    timestamp: int
    delivery: Delivery


class Status(Struct, frozen=True, kw_only=True):
    """One thermostat. Temperatures in °C, humidity in %, `battery_level` in V.

    Attributes:
        api_key: always empty; it was the device's password once (PROTOCOL.md c.3).
        complete: whether the device has told all of itself; if not, defaults stand for the rest.
        last_seen: the last contact in whole seconds of UTC; 1970 for one that has never come.
        fan_timer_timeout: seconds since the epoch, 0 when off; `fan_timer_duration` is in s.
        time_to_target: as the device reports it: seconds since the epoch when above 10^9, else
            seconds (PROTOCOL.md b.6 no. 18).
        temperature_lock: whether a PIN is asked for; its hash is in no view.
        action: what the system does now (PROTOCOL.md f.3).
        pending: what the device has yet to acknowledge, oldest first.
    """

    serial: str
    api_key: str
    complete: bool
    is_available: bool
    is_online: bool
    last_seen: Annotated[datetime, Meta(tz=True)]
    name: str
    owner: str | None
    structure_id: str
    current_temperature: float
    target_temperature: float
    target_temperature_high: float | None
    target_temperature_low: float | None
    mode: Mode
    action: Action
    humidity: int
    target_humidity: int
    target_humidity_enabled: bool
    hvac: Hvac
    fan_timer_active: bool
    fan_timer_timeout: int
    fan_timer_duration: int
    away: bool
    eco_mode: EcoMode
    eco_temperatures: EcoTemperatures | None
    has_leaf: bool
    software_version: str
    temperature_scale: Literal["C", "F"]
    capabilities: Capabilities
    can_heat: bool
    can_cool: bool
    has_fan: bool
    has_emer_heat: bool
    has_humidifier: bool
    has_dehumidifier: bool
    schedule_mode: str
    time_to_target: int
    time_to_target_training_status: str
    safety_state: str
    safety_temp_activating_hvac: bool
    learning_mode: bool
    preconditioning_enabled: bool
    backplate_temperature: float
    battery_level: float | None
    battery_percent: int | None
    temperature_lock: bool
    temperature_lock_low_temp: float | None
    temperature_lock_high_temp: float | None
    local_ip: str
    mac_address: str
    subscription_count: int
    pending: tuple[PendingWrite, ...]
