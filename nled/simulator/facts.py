"""What a thermostat is and knows after a boot: its names, its three buckets, its own fields.

The table of device-only fields is written here a second time on purpose: a simulator that took
the server's table could not find a mistake in it.
"""

from __future__ import annotations

import base64
from random import Random
from typing import Any

from attrs import frozen

SOFTWARE = "5.9.4-5"
OWN_TYPES = frozenset({"device", "shared", "schedule"})
"""Bucket types that belong to exactly one device, named by its serial."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DEVICE_ONLY = {
    "shared": _words(
        """current_temperature can_heat can_cool auto_away auto_away_learning hvac_heater_state
        hvac_heat_x2_state hvac_heat_x3_state hvac_aux_heater_state hvac_alt_heat_state
        hvac_alt_heat_x2_state hvac_emer_heat_state hvac_ac_state hvac_cool_x2_state
        hvac_cool_x3_state hvac_fan_state"""
    ),
    "device": _words(
        """current_humidity backplate_temperature battery_level rssi local_ip mac_address
        serial_number model_version current_version backplate_model backplate_serial_number
        backplate_bsl_info backplate_bsl_version backplate_mono_info backplate_mono_version
        capability_level creation_time last_software_update_utc_secs
        weave_device_id_self_reported is_online has_fan has_humidifier has_dehumidifier
        has_emer_heat has_hot_water_control has_hot_water_temperature has_air_filter has_alt_heat
        has_aux_heat has_dual_fuel has_fossil_fuel has_heat_pump has_x2_heat has_x3_heat
        has_x2_cool has_x3_cool has_x2_alt_heat rcs_capable smoke_shutoff_supported hvac_wires
        hvac_pins pin_c_description pin_g_description pin_ob_description pin_rc_description
        pin_rh_description pin_star_description pin_w1_description pin_w2aux_description
        pin_y1_description pin_y2_description leaf eco_mode time_to_target
        time_to_target_training error_code wiring_error wiring_error_timestamp
        heat_link_connection auto_dehum_state dehumidifier_state humidifier_state
        fan_control_state fan_cooling_state fan_cooling_readiness fan_current_speed
        fan_capabilities away_temperature_low_adjusted away_temperature_high_adjusted tou_icon
        demand_charge_icon filter_runtime_sec filter_replacement_needed heatpump_ready
        heatpump_setback_active hot_water_active hot_water_away_active hot_water_boiling_state
        preconditioning_active preconditioning_ready sunlight_correction_active
        sunlight_correction_ready safety_state safety_state_time safety_temp_activating_hvac
        hvac_safety_shutoff_active hvac_smoke_safety_shutoff_active is_furnace_shutdown
        hvac_staging_ignore current_schedule_mode aux_lockout_leaf compressor_lockout_leaf
        maint_band_lower maint_band_upper gear_threshold_low gear_threshold_high
        available_locales device_locale logging_priority nlclient_state eco_onboarding_needed
        schedules kryptonite_range_test_timestamp"""
    ),
}
"""Fields that only the device writes, by bucket type (protocol h.2, h.3)."""


@frozen
class Identity:
    """Who a thermostat says it is; everything follows from the serial, over restarts too."""

    serial: str
    mac: str
    suffix: str
    password: str

    @classmethod
    def of(cls, serial: str) -> Identity:
        """The identity of the device with this serial."""
        random = Random(serial)  # noqa: S311 - the same serial must give the same password again
        return cls(serial, f"18b430{random.getrandbits(24):06x}", *_hex(random, 32, 64))

    @property
    def session(self) -> str:
        """MAC and serial, constant for the life of the device (protocol a.2)."""
        return self.mac + self.serial

    def headers(self) -> str:
        """The header lines that go with every request (protocol a.2)."""
        user = f"d.{self.serial}.{self.suffix}:{self.password}"
        return (
            f"Authorization: Basic {base64.b64encode(user.encode()).decode()}\r\n"
            f"User-Agent: AddLightness/{SOFTWARE} (Display-2.12; wireless_reg_domain=A2)\r\n"
            f"X-nl-protocol-version: 1\r\nX-nl-device-swversion: {SOFTWARE}\r\n"
        )

    def entry_form(self, request_id: int) -> dict[str, str]:
        """The form fields of ``POST /entry`` (protocol a.3)."""
        return {
            "reset": "FALSE",
            "mac": self.mac.upper(),
            "model": "Display-2.12",
            "request_id": str(request_id),
            "software_version": SOFTWARE,
            "wireless_reg_domain": "A2",
            "backplate_model": "Backplate-5.3",
        }


def _hex(random: Random, *bits: int) -> list[str]:
    return [f"{random.getrandbits(n):0{n // 4}X}" for n in bits]


def shared(random: Random) -> dict[str, Any]:
    """A ``shared.SERIAL`` as sent after a boot: heating, no stage on."""
    return {
        "target_temperature": 20.0,
        "target_temperature_low": 18.0,
        "target_temperature_high": 24.0,
        "target_temperature_type": "heat",
        "target_change_pending": False,
        "schedule_mode": "HEAT",
        "name": "",
        "current_temperature": round(random.uniform(17.0, 23.0), 5),
        "can_heat": True,
        "can_cool": True,
        "auto_away": 0,
        "auto_away_learning": "ready",
        "hvac_heater_state": False,
        "hvac_heat_x2_state": False,
        "hvac_aux_heater_state": False,
        "hvac_emer_heat_state": False,
        "hvac_ac_state": False,
        "hvac_fan_state": False,
        "compressor_lockout_enabled": False,
        "compressor_lockout_timeout": 0,
    }


def device(identity: Identity, random: Random) -> dict[str, Any]:
    """A ``device.SERIAL`` as sent after a boot (protocol h.3)."""
    return {
        "serial_number": identity.serial,
        "mac_address": identity.mac,
        "model_version": "Display-2.12",
        "current_version": SOFTWARE,
        "backplate_model": "Backplate-5.3",
        "capability_level": 5.94,
        "local_ip": f"192.168.1.{random.randint(2, 250)}",
        "rssi": random.randint(40, 75),
        "battery_level": round(random.uniform(3.75, 3.95), 3),
        "backplate_temperature": round(random.uniform(17.0, 23.0), 2),
        "current_humidity": random.randint(30, 60),
        "has_fan": True,
        "has_humidifier": False,
        "has_dehumidifier": False,
        "has_emer_heat": False,
        "has_hot_water_control": False,
        "hvac_wires": "Heat,Cool,Fan,Rh",
        "hvac_pins": "W1,Y1,G,Rh",
        "leaf": False,
        "time_to_target": 0,
        "time_to_target_training": "ready",
        "error_code": "",
        "fan_control_state": False,
        "fan_current_speed": "off",
        "fan_capabilities": "stage1",
        "fan_mode": "auto",
        "fan_timer_duration": 900,
        "fan_timer_timeout": 0,
        "safety_state": "none",
        "safety_state_time": 0,
        "safety_temp_activating_hvac": False,
        "upper_safety_temp": 35.0,
        "lower_safety_temp": 7.222,
        "upper_safety_temp_enabled": False,
        "lower_safety_temp_enabled": True,
        "current_schedule_mode": "HEAT",
        "temperature_scale": "C",
        "temperature_lock": False,
        "temperature_lock_low_temp": 20.0,
        "temperature_lock_high_temp": 22.222,
        "temperature_lock_pin_hash": "",
        "away_temperature_low": 15.0,
        "away_temperature_high": 28.0,
        "away_temperature_low_enabled": True,
        "away_temperature_high_enabled": True,
        "away_temperature_low_adjusted": 15.0,
        "away_temperature_high_adjusted": 28.0,
        "auto_away_enable": True,
        "learning_mode": True,
        "preconditioning_enabled": True,
        "target_humidity": 35.0,
        "target_humidity_enabled": False,
        "click_sound": "on",
        "eco": {"mode": "schedule", "touched_by": 1, "mode_update_timestamp": 0},
        "where_id": "00000000-0000-0000-0000-000100000000",
        "filter_runtime_sec": random.randint(0, 900_000),
        "filter_reminder_enabled": False,
    }


def schedule() -> dict[str, Any]:
    """A ``schedule.SERIAL``: warm from six, cool from ten, each day (protocol h.4)."""

    def setpoint(time: int, temp: float, kind: str = "setpoint") -> dict[str, Any]:
        return {"type": "HEAT", "time": time, "entry_type": kind, "temp": temp, "touched_by": 1}

    day = {"0": setpoint(0, 17.0, "continuation"), "1": setpoint(21_600, 20.5), "2": setpoint(79_200, 17.0)}
    days = {str(number): day for number in range(7)}
    return {"ver": 2, "name": "Current Schedule", "schedule_mode": "HEAT", "days": days}


def boot(identity: Identity, random: Random) -> dict[str, dict[str, Any]]:
    """What a device knows after a boot, by bucket type."""
    return {"schedule": schedule(), "shared": shared(random), "device": device(identity, random)}
