"""Settings by name and the lock: protocol c.2.4, d.6, h.3."""

from nled.domain.lock import pin_hash
from tests.domain.thermostats import HASH, SECONDS, SERIAL, TOLD, CommandTestCase

LOCK = {"pin_hash": HASH, "temp_min": 18, "temp_max": 24}


class Settings(CommandTestCase):
    command = "set_device_setting"

    def test_several_at_once(self) -> None:
        self.assertEqual(
            self.plan({"learning_mode": False, "temperature_scale": "F", "upper_safety_temp": 35}),
            {"device": {"learning_mode": False, "temperature_scale": "F", "upper_safety_temp": 35.0}},
        )

    def test_old_names(self) -> None:
        fields = self.plan(
            {
                "temp_lock_on": True,
                "temp_lock_pin_hash": HASH,
                "temp_lock_low_temp": 18,
                "temp_lock_high_temp": 24,
                "fan_timer_duration_minutes": 15,
            }
        )["device"]
        self.assertEqual(
            fields,
            {
                "temperature_lock": True,
                "temperature_lock_pin_hash": HASH,
                "temperature_lock_low_temp": 18.0,
                "temperature_lock_high_temp": 24.0,
                "fan_timer_duration": 900,
            },
        )
        self.assertIn("twice", self.refusal({"fan_timer_duration": 60, "fan_timer_duration_minutes": 1}))
        for minutes in (0, 721, 1.5, "15"):
            self.assertIn("fan_timer_duration_minutes", self.refusal({"fan_timer_duration_minutes": minutes}))

    def test_not_for_people_to_set(self) -> None:
        self.assertEqual(
            self.refusal({"time_to_target": 5, "learning_mode": True, "leaf": True}),
            "Fields not cloud-writable: time_to_target, leaf. Only device bucket mode-2 fields are accepted.",
        )
        for name in (
            *("preconditioning_active", "equipment_type", "heat_source", "hot_water_active", "eco"),
            *("heater_source", "emer_heat_enable", "oob_wifi_completed", "heat_link_model"),
            *("target_temperature", "battery_level", "current_humidity", "time_to_target_training_status"),
        ):
            self.assertIn(f": {name}. Only", self.refusal({name: True}))
        self.assertLess(len(self.refusal({f"{'x' * 50}{place}": 1 for place in range(500)})), 600)

    def test_what_the_device_has_nothing_for(self) -> None:
        for fields, lacking in (
            ({"fan_mode": "auto"}, "has_fan"),
            ({"fan_timer_duration_minutes": 15}, "has_fan"),
            ({"target_humidity": 45}, "has_humidifier or has_dehumidifier"),
            ({"hot_water_mode": "off"}, "has_hot_water_control"),
            ({"hot_water_temperature": 50}, "has_hot_water_temperature"),
        ):
            self.plan(fields)
            said = self.refusal(fields, {}, {**TOLD, "has_humidifier": False})
            self.assertIn(f" needs {lacking}, ", said)
        self.plan({"target_humidity": 45}, {}, {**TOLD, "has_dehumidifier": True})

    def test_a_timer_that_is_over_before_it_begins(self) -> None:
        for name in ("fan_timer_timeout", "hot_water_boost_time_to_end"):
            self.plan({name: 0})
            self.plan({name: SECONDS + 60})
            self.assertIn(f"{name} must be 0 or from {SECONDS} on", self.refusal({name: 900}))
            self.refusal({name: False})
        self.plan({"filter_changed_date": 1_600_000_000})

    def test_no_pairs(self) -> None:
        for bad in (None, [], "learning_mode", 5, True):
            self.assertEqual(
                self.refusal(bad),
                "set_device_setting value must be a JSON object of {field: value} pairs",
            )
        self.assertEqual(self.refusal({}), "No values to update")

    def test_lower_under_upper(self) -> None:
        for low, high in (
            ("lower_safety_temp", "upper_safety_temp"),
            ("away_temperature_low", "away_temperature_high"),
            ("temperature_lock_low_temp", "temperature_lock_high_temp"),
        ):
            self.assertIn("low must be under high", self.refusal({low: 20, high: 20}))
            self.assertIn(high, self.refusal({low: 20}, {}, {high: 20}))
            self.assertIn(low, self.refusal({high: 20}, {}, {low: 20.0}))
            self.plan({low: 19}, {}, {high: 20})
            # Somebody else's disorder is no reason to refuse a click.
            self.plan({"click_sound": "off"}, {}, {low: 30, high: 20})

    def test_a_lock_needs_a_pin_and_bounds(self) -> None:
        bounds = {"temperature_lock_low_temp": 18, "temperature_lock_high_temp": 24}
        on = {"temperature_lock": True}
        self.assertEqual(
            self.refusal(on),
            "temperature_lock needs temperature_lock_low_temp, temperature_lock_high_temp, "
            "temperature_lock_pin_hash too.",
        )
        self.assertIn("needs temperature_lock_pin_hash", self.refusal(on, {}, bounds))
        self.refusal({"temperature_lock_pin_hash": ""}, {}, bounds | on)
        stored = bounds | {"temperature_lock_pin_hash": HASH}
        self.assertEqual(self.plan(on, {}, stored), {"device": on})
        self.plan({"temperature_lock": False})
        self.plan({"temperature_lock_pin_hash": ""}, {}, bounds)

    def test_times(self) -> None:
        for end in (0, SECONDS, SECONDS + 43_200):
            self.plan({"fan_timer_timeout": end})
        self.refusal({"fan_timer_timeout": SECONDS + 43_201})
        # Milliseconds are a common mistake.
        self.refusal({"filter_changed_date": SECONDS * 1000})


class SetLock(CommandTestCase):
    command = "set_lock"

    def test_the_firmware_names(self) -> None:
        self.assertEqual(
            self.plan(LOCK),
            {
                "device": {
                    "temperature_lock": True,
                    "temperature_lock_pin_hash": HASH,
                    "temperature_lock_low_temp": 18.0,
                    "temperature_lock_high_temp": 24.0,
                }
            },
        )

    def test_a_pin_is_not_taken(self) -> None:
        for value in ({"pin": "1234"}, LOCK | {"pin": "1234"}):
            said = self.refusal(value)
            self.assertIn("pin_hash", said)
            self.assertNotIn("1234", said)

    def test_refused(self) -> None:
        for name in LOCK:
            self.refusal({key: value for key, value in LOCK.items() if key != name})
            self.assertIn(name, self.refusal(LOCK | {name: None}))
            self.assertIn(name, self.refusal(LOCK | {name: True}))
        for bad in (None, True, [], {}, "1234", LOCK | {"more": 1}):
            self.refusal(bad)
        self.assertIn("temp_min must be under temp_max", self.refusal(LOCK | {"temp_min": 24}))
        self.assertIn("4.5 to 32", self.refusal(LOCK | {"temp_max": 33}))

    def test_a_hash_is_never_repeated(self) -> None:
        other = pin_hash("1234", SERIAL)[:-2] + "=="
        self.assertNotIn(other, self.refusal(LOCK | {"pin_hash": other}))


class ClearLock(CommandTestCase):
    command = "clear_lock"

    def test_the_pin_is_forgotten(self) -> None:
        for value in (None, True, {}):
            self.assertEqual(
                self.plan(value),
                {"device": {"temperature_lock": False, "temperature_lock_pin_hash": ""}},
            )
