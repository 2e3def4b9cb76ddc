"""The table of settings: protocol h.3, b.6."""

from twisted.trial.unittest import SynchronousTestCase

from nled.domain.errors import BadRequest
from nled.domain.settings import ALIASES, MINUTES, PAIRS, SETTINGS
from nled.simulator import facts

NOW = 1_795_000_000


class Table(SynchronousTestCase):
    def take(self, name: str, values: tuple[object, ...]) -> None:
        for value in values:
            self.assertEqual(SETTINGS[name].read(name, value, NOW), value, name)

    def refuse(self, name: str, values: tuple[object, ...]) -> None:
        for value in values:
            said = str(self.assertRaises(BadRequest, SETTINGS[name].read, name, value, NOW))
            self.assertIn(name, said)

    def test_none_is_the_devices_own(self) -> None:
        self.assertEqual(set(SETTINGS) & facts.DEVICE_ONLY["device"], set())
        self.assertEqual((set(ALIASES) | set(MINUTES)) & set(SETTINGS), set())
        named = {
            *ALIASES.values(),
            *(name for name, _ in MINUTES.values()),
            *(name for pair in PAIRS for name in pair),
        }
        self.assertTrue(named <= set(SETTINGS))

    def test_none_is_wiring_or_first_setup(self) -> None:
        for name in SETTINGS:
            self.assertFalse(name.startswith("oob_") or name.endswith(("_source", "_delivery")), name)

    def test_a_thermostat_can_have_what_it_has(self) -> None:
        own: dict[str, object] = {
            "upper_safety_temp": 35.0,
            "lower_safety_temp": 4.444,
            "temperature_lock_high_temp": 22.222,
            "fan_duty_cycle": 3600,
            "fan_duty_start_time": 61_200,
            "fan_timer_duration": 900,
            "fan_timer_speed": "stage1",
            "heat_pump_comp_threshold": -31.5,
            "dual_fuel_breakpoint": -1,
            "leaf_schedule_delta": 1.10999,
            "leaf_threshold_cool": 0,
            "filter_replacement_threshold_sec": 1_800_000,
            "filter_changed_date": 1_734_220_800,
            "farsight_screen": "target_temp",
            "target_humidity": 35.0,
            "where_id": "00000000-0000-0000-0000-000100000006",
            "postal_code": "21737",
            "country_code": "US",
        }
        for name in set(own) & set(SETTINGS):
            self.take(name, (own[name],))

    def test_each_kind(self) -> None:
        self.take("learning_mode", (True, False))
        self.refuse("learning_mode", ("junk", "true", 1, 0, None, [], {}))
        self.take("click_sound", ("on", "off"))
        self.refuse("click_sound", (True, "ON", "", None, [], {}))
        self.take("heatpump_savings", ("off", "max-savings", "balanced", "max-comfort"))
        self.take("upper_safety_temp", (2.0, 58.0))
        self.refuse("upper_safety_temp", (1.9, 58.1, "35", True, None, [], float("nan"), float("inf")))
        self.take("fan_timer_duration", (1, 43_200))
        self.refuse("fan_timer_duration", (0, 43_201, 1.5, "900", True, None))
        self.take("hot_water_boost_time_to_end", (0, NOW + 43_200))
        self.refuse("hot_water_boost_time_to_end", (-1, NOW + 43_201, True, None))
        self.take("farsight_screen", ("", "weather"))
        self.refuse("farsight_screen", ("x" * 33, "a\0b", "a\nb", 5, True, None, [], {}))
        self.take("temperature_lock_pin_hash", ("", "kFRc/skLylZUKACup2bPzjQDUII="))
        self.refuse("temperature_lock_pin_hash", ("1234", None, True, 5, [], {}))

    def test_every_one_refuses_what_it_is_not(self) -> None:
        for name in SETTINGS:
            self.refuse(name, (None, [], {}, float("nan"), "x" * 100, 10**400))
