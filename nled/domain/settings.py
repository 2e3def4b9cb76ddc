"""The settings of a thermostat that people may change: fields of the device bucket (protocol h.3).

Left out on purpose, though the firmware takes them: what describes the wiring, the heat link and the
first set-up (a wrong value damages equipment or starts the set-up again). Ranges are the widest that
make sense, not those of every model.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from attrs import field, frozen
from msgspec import Meta

from nled.domain.errors import BadRequest
from nled.domain.lock import PinHashOrNone
from nled.domain.quantities import HIGHEST, LONGEST_RUN, LOWEST, Percent, text, whole, within
from nled.domain.reading import Reader

_DAY = 86_400
_EPOCH_END = 2**31 - 1
_EPOCH = "seconds since 1970"
HotWaterMode: TypeAlias = Literal["schedule", "off"]
HotWaterTemperature: TypeAlias = Annotated[float, within(30, 70, "°C")]


@frozen
class Setting:
    """What a field takes.

    Attributes:
        kind: its type.
        check: returns a value of that type as it is stored; given what a sentence calls it, and the seconds
            since the epoch. Raises BadRequest for what a type cannot say.
    """

    kind: Any
    check: Callable[[str, Any, int], object] = lambda _where, value, _now: value

    _reader: Reader = field(init=False)

    @_reader.default
    def _for_the_kind(self) -> Reader:
        return Reader(self.kind)

    def read(self, where: str, value: object, now: int) -> object:
        """Return the value as it is stored; raises BadRequest. `now` is in s since the epoch."""
        return self.check(where, self._reader.read(where, value), now)


def _each(setting: Setting, names: str) -> dict[str, Setting]:
    return dict.fromkeys(names.split(), setting)


def _celsius(low: float, high: float) -> Setting:
    return Setting(Annotated[float, within(low, high, "°C")])


def _integer(_where: str, value: float, _now: int) -> int:
    return int(value)


def _whole(low: int, high: int, unit: str = "") -> Setting:
    return Setting(Annotated[float, whole(low, high, unit)], _integer)


def _seconds(low: int, high: int) -> Setting:
    return _whole(low, high, "seconds")


def _text(most: int) -> Setting:
    form = {"form": f"text of at most {most} printable characters"}
    return Setting(
        Annotated[str, Meta(max_length=most, extra=form)], lambda where, value, _now: text(where, value, most)
    )


def _moment(ahead: int, *, over: bool) -> Setting:
    """Take a time, at most so many seconds ahead, or 0 for none; `over` if it may be over."""

    def check(where: str, value: float, now: int) -> int:
        if value > now + ahead:
            raise BadRequest(f"{where} must be from 0 to {now + ahead} {_EPOCH}, it is {value:.12g}.")
        if 0 < value < now and not over:
            raise BadRequest(f"{where} must be 0 or from {now} on ({_EPOCH}), it is {value:.12g}.")
        return int(value)

    return Setting(Annotated[float, Meta(ge=0, multiple_of=1, description=f"{_EPOCH}; 0 for none.")], check)


_FLAG = Setting(bool)
_TIME = _moment(_DAY, over=True)
_END = _moment(LONGEST_RUN, over=False)

SETTINGS: Mapping[str, Setting] = {
    # Eco
    **_each(_celsius(LOWEST, HIGHEST), "away_temperature_high away_temperature_low"),
    **_each(_FLAG, "away_temperature_high_enabled away_temperature_low_enabled"),
    # Safety: the firmware itself keeps to about 2 to 58 °C (protocol b.6 no. 29).
    **_each(_celsius(2.0, 58.0), "upper_safety_temp lower_safety_temp"),
    **_each(_FLAG, "upper_safety_temp_enabled lower_safety_temp_enabled"),
    **_each(_FLAG, "smoke_safety_shutoff_enabled safety_shutoff_enabled"),
    # Lock
    **_each(_FLAG, "temperature_lock"),
    **_each(_celsius(LOWEST, HIGHEST), "temperature_lock_low_temp temperature_lock_high_temp"),
    **_each(Setting(PinHashOrNone), "temperature_lock_pin_hash"),
    # Fan
    **_each(Setting(Literal["auto", "off", "duty-cycle"]), "fan_mode"),
    **_each(_seconds(1, LONGEST_RUN), "fan_timer_duration"),
    **_each(_END, "fan_timer_timeout"),
    **_each(_seconds(0, 3600), "fan_duty_cycle"),
    **_each(_seconds(0, _DAY - 1), "fan_duty_start_time fan_duty_end_time"),
    **_each(_text(16), "fan_timer_speed fan_schedule_speed fan_heat_cool_speed"),
    **_each(_FLAG, "fan_cooling_enabled"),
    # Away
    **_each(_FLAG, "auto_away_enable auto_away_reset home_away_input"),
    # Humidity
    **_each(Setting(Percent, _integer), "target_humidity"),
    **_each(_FLAG, "target_humidity_enabled auto_dehum_enabled humidity_control_lockout_enabled"),
    **_each(_FLAG, "humidifier_fan_activation dehumidifier_fan_activation"),
    **_each(_text(32), "humidifier_type dehumidifier_type dehumidifier_orientation_selected"),
    **_each(_seconds(0, _DAY - 1), "humidity_control_lockout_start_time humidity_control_lockout_end_time"),
    # Heat pump: -1 and -31.5 °C stand for "not set" in dumps.
    **_each(_celsius(-40.0, 50.0), "dual_fuel_breakpoint heat_pump_aux_threshold heat_pump_comp_threshold"),
    **_each(_FLAG, "dual_fuel_selected heat_pump_aux_threshold_enabled heat_pump_comp_threshold_enabled"),
    **_each(_text(32), "dual_fuel_breakpoint_override"),
    **_each(Setting(Literal["off", "max-savings", "balanced", "max-comfort"]), "heatpump_savings"),
    # Compressor: on most firmware it is reported in `shared`.
    **_each(_FLAG, "compressor_lockout_enabled"),
    **_each(_seconds(0, _EPOCH_END), "compressor_lockout_timeout"),
    # Learning
    **_each(_FLAG, "learning_mode schedule_learning_reset preconditioning_enabled"),
    **_each(_seconds(0, _DAY), "max_nighttime_preconditioning_seconds"),
    # Hot water
    **_each(Setting(HotWaterMode), "hot_water_mode"),
    **_each(_END, "hot_water_boost_time_to_end"),
    **_each(Setting(HotWaterTemperature), "hot_water_temperature"),
    **_each(_FLAG, "hot_water_away_enabled heat_link_manual_mode"),
    # Behaviour
    **_each(Setting(Literal["C", "F"]), "temperature_scale"),
    **_each(Setting(Literal["on", "off"]), "click_sound"),
    **_each(_text(32), "farsight_screen"),
    **_each(_FLAG, "should_wake_on_approach sunlight_correction_enabled radiant_control_enabled"),
    **_each(Setting(Literal["O", "B"]), "ob_orientation"),
    **_each(_FLAG, "ob_persistence"),
    **_each(_text(64), "where_id pro_id"),
    # Filter
    **_each(_TIME, "filter_changed_date filter_changed_set_date"),
    **_each(_FLAG, "filter_reminder_enabled"),
    **_each(_whole(0, 100), "filter_reminder_level"),
    **_each(_seconds(0, _EPOCH_END), "filter_replacement_threshold_sec"),
    # Leaf
    **_each(_celsius(-20.0, 60.0), "leaf_threshold_heat leaf_threshold_cool leaf_away_low leaf_away_high"),
    **_each(_celsius(0.0, 20.0), "leaf_schedule_delta"),
    # Where it is
    **_each(_text(16), "postal_code"),
    **_each(_text(2), "country_code"),
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

# Names that clients know from other servers (protocol c.2.4): for the same, and for the same in minutes.
ALIASES: Mapping[str, str] = {
    "temp_lock_on": "temperature_lock",
    "temp_lock_pin_hash": "temperature_lock_pin_hash",
    "temp_lock_low_temp": "temperature_lock_low_temp",
    "temp_lock_high_temp": "temperature_lock_high_temp",
}
MINUTES: Mapping[str, tuple[str, Setting]] = {
    "fan_timer_duration_minutes": (
        "fan_timer_duration",
        Setting(
            Annotated[float, whole(1, LONGEST_RUN // 60, "minutes")],
            lambda _where, value, _now: int(60 * value),
        ),
    )
}
