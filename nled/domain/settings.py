"""The settings of a thermostat that people may change: fields of the device bucket (PROTOCOL.md h.3).

Left out on purpose, though the firmware takes them: what describes the wiring, the heat link and the
first set-up (a wrong value damages equipment or starts the set-up again). Ranges are the widest that
make sense, not those of every model.
"""

from collections.abc import Mapping
from typing import Literal

from attrs import frozen

from nled.domain.errors import BadRequest
from nled.domain.lock import parse_pin_hash
from nled.domain.quantities import HIGHEST, LOWEST, bounded, end, flag, text, whole

Kind = Literal["flag", "number", "whole", "date", "until", "choice", "text", "pin_hash"]
# Seconds that a fan or the hot water may be asked to run (PROTOCOL.md d.2).
LONGEST_RUN = 43_200
_DAY = 86_400
_EPOCH_END = 2**31 - 1


@frozen
class Setting:
    """What a field takes.

    Attributes:
        kind: `date` and `until` are times in s since the epoch, 0 for none; the latter is none that is over.
        low, high: inclusive; for times, high is how many seconds one may be ahead of now; for a text,
            how many characters it may have.
    """

    kind: Kind
    low: float = 0
    high: float = 0
    unit: str = ""
    choices: tuple[str, ...] = ()

    def read(self, where: str, value: object, now: int) -> object:
        """Return the value as it is stored; raises BadRequest. `now` is in s since the epoch."""
        found: object
        match self.kind:
            case "flag":
                found = flag(where, value)
            case "number":
                found = bounded(where, value, self.low, self.high, self.unit)
            case "whole":
                found = whole(where, value, int(self.low), int(self.high), self.unit)
            case "date":
                found = whole(where, value, 0, now + int(self.high), self.unit)
            case "until":
                found = end(where, value, now, now + int(self.high), self.unit)
            case "choice":
                if value not in self.choices:
                    raise BadRequest(f"{where} must be one of: {', '.join(self.choices)}.")
                found = value
            case "text":
                found = text(where, value, int(self.high))
            case "pin_hash":
                found = "" if value == "" else parse_pin_hash(where, value)
        return found


def _each(setting: Setting, names: str) -> dict[str, Setting]:
    return dict.fromkeys(names.split(), setting)


def _celsius(low: float, high: float) -> Setting:
    return Setting("number", low, high, "°C")


def _seconds(low: int, high: int) -> Setting:
    return Setting("whole", low, high, "seconds")


def _until(ahead: int) -> Setting:
    return Setting("until", 0, ahead, "seconds since 1970")


def _choice(*choices: str) -> Setting:
    return Setting("choice", choices=choices)


_FLAG = Setting("flag")
_TIME = Setting("date", 0, _DAY, "seconds since 1970")

SETTINGS: Mapping[str, Setting] = {
    # Eco
    **_each(_celsius(LOWEST, HIGHEST), "away_temperature_high away_temperature_low"),
    **_each(_FLAG, "away_temperature_high_enabled away_temperature_low_enabled"),
    # Safety: the firmware itself keeps to about 2 to 58 °C (b.6 no. 29).
    **_each(_celsius(2.0, 58.0), "upper_safety_temp lower_safety_temp"),
    **_each(_FLAG, "upper_safety_temp_enabled lower_safety_temp_enabled"),
    **_each(_FLAG, "smoke_safety_shutoff_enabled safety_shutoff_enabled"),
    # Lock
    **_each(_FLAG, "temperature_lock"),
    **_each(_celsius(LOWEST, HIGHEST), "temperature_lock_low_temp temperature_lock_high_temp"),
    **_each(Setting("pin_hash"), "temperature_lock_pin_hash"),
    # Fan
    **_each(_choice("auto", "off", "duty-cycle"), "fan_mode"),
    **_each(_seconds(1, LONGEST_RUN), "fan_timer_duration"),
    **_each(_until(LONGEST_RUN), "fan_timer_timeout"),
    **_each(_seconds(0, 3600), "fan_duty_cycle"),
    **_each(_seconds(0, _DAY - 1), "fan_duty_start_time fan_duty_end_time"),
    **_each(Setting("text", high=16), "fan_timer_speed fan_schedule_speed fan_heat_cool_speed"),
    **_each(_FLAG, "fan_cooling_enabled"),
    # Away
    **_each(_FLAG, "auto_away_enable auto_away_reset home_away_input"),
    # Humidity
    **_each(Setting("whole", 10, 60, "percent"), "target_humidity"),
    **_each(_FLAG, "target_humidity_enabled auto_dehum_enabled humidity_control_lockout_enabled"),
    **_each(_FLAG, "humidifier_fan_activation dehumidifier_fan_activation"),
    **_each(Setting("text", high=32), "humidifier_type dehumidifier_type dehumidifier_orientation_selected"),
    **_each(_seconds(0, _DAY - 1), "humidity_control_lockout_start_time humidity_control_lockout_end_time"),
    # Heat pump: -1 and -31.5 °C stand for "not set" in dumps.
    **_each(_celsius(-40.0, 50.0), "dual_fuel_breakpoint heat_pump_aux_threshold heat_pump_comp_threshold"),
    **_each(_FLAG, "dual_fuel_selected heat_pump_aux_threshold_enabled heat_pump_comp_threshold_enabled"),
    **_each(Setting("text", high=32), "dual_fuel_breakpoint_override"),
    **_each(_choice("off", "max-savings", "balanced", "max-comfort"), "heatpump_savings"),
    # Compressor: on most firmware it is reported in `shared`.
    **_each(_FLAG, "compressor_lockout_enabled"),
    **_each(_seconds(0, _EPOCH_END), "compressor_lockout_timeout"),
    # Learning
    **_each(_FLAG, "learning_mode schedule_learning_reset preconditioning_enabled"),
    **_each(_seconds(0, _DAY), "max_nighttime_preconditioning_seconds"),
    # Hot water
    **_each(_choice("schedule", "off"), "hot_water_mode"),
    **_each(_until(LONGEST_RUN), "hot_water_boost_time_to_end"),
    **_each(_celsius(30.0, 70.0), "hot_water_temperature"),
    **_each(_FLAG, "hot_water_away_enabled heat_link_manual_mode"),
    # Behaviour
    **_each(_choice("C", "F"), "temperature_scale"),
    **_each(_choice("on", "off"), "click_sound"),
    **_each(Setting("text", high=32), "farsight_screen"),
    **_each(_FLAG, "should_wake_on_approach sunlight_correction_enabled radiant_control_enabled"),
    **_each(_choice("O", "B"), "ob_orientation"),
    **_each(_FLAG, "ob_persistence"),
    **_each(Setting("text", high=64), "where_id pro_id"),
    # Filter
    **_each(_TIME, "filter_changed_date filter_changed_set_date"),
    **_each(_FLAG, "filter_reminder_enabled"),
    **_each(Setting("whole", 0, 100), "filter_reminder_level"),
    **_each(_seconds(0, _EPOCH_END), "filter_replacement_threshold_sec"),
    # Leaf
    **_each(_celsius(-20.0, 60.0), "leaf_threshold_heat leaf_threshold_cool leaf_away_low leaf_away_high"),
    **_each(_celsius(0.0, 20.0), "leaf_schedule_delta"),
    # Where it is
    **_each(Setting("text", high=16), "postal_code"),
    **_each(Setting("text", high=2), "country_code"),
}

_HUMIDITY = ("has_humidifier", "has_dehumidifier")
# What a thermostat must have, any of these, for a setting to mean something.
NEEDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (name for name in SETTINGS if name.startswith(("fan_timer", "fan_duty", "fan_mode"))), ("has_fan",)
    ),
    **dict.fromkeys(("target_humidity", "target_humidity_enabled"), _HUMIDITY),
    **dict.fromkeys((name for name in SETTINGS if name.startswith("hot_water_")), ("has_hot_water_control",)),
    "hot_water_temperature": ("has_hot_water_temperature",),
}

# The lower of each must stay under the higher, given or stored.
PAIRS = (
    ("away_temperature_low", "away_temperature_high"),
    ("lower_safety_temp", "upper_safety_temp"),
    ("temperature_lock_low_temp", "temperature_lock_high_temp"),
)

# Names that clients know from other servers (c.2.4): for the same, and for the same in minutes.
ALIASES: Mapping[str, str] = {
    "temp_lock_on": "temperature_lock",
    "temp_lock_pin_hash": "temperature_lock_pin_hash",
    "temp_lock_low_temp": "temperature_lock_low_temp",
    "temp_lock_high_temp": "temperature_lock_high_temp",
}
MINUTES: Mapping[str, str] = {"fan_timer_duration_minutes": "fan_timer_duration"}
