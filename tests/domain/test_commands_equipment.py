"""Fan, humidity, hot water: protocol c.2, d.3, h.3."""

from tests.domain.thermostats import SECONDS, TOLD, CommandTestCase

FAN = {"has_fan": True}
OFF = {"device": {"fan_timer_timeout": 0}}


class Fan(CommandTestCase):
    command = "set_fan"

    def ran(self, value: object, device: dict[str, object] | None = None) -> int:
        fields = self.plan(value, {}, FAN | (device or {}))["device"]
        duration: int = fields["fan_timer_duration"]
        self.assertEqual(fields, {"fan_timer_duration": duration, "fan_timer_timeout": SECONDS + duration})
        return duration

    def test_on_is_as_long_as_the_thermostat_has_it(self) -> None:
        self.assertEqual(self.ran("on"), 3600)
        self.assertEqual(self.ran("on", {"fan_timer_duration": 900}), 900)
        for odd in (0, -1, 43_201, "900", True, None, {}, 10**400):
            self.assertEqual(self.ran("on", {"fan_timer_duration": odd}), 3600)

    def test_for_a_time(self) -> None:
        for seconds in (1, 900, 900.0, 43_200):
            self.assertEqual(self.ran(seconds), seconds)

    def test_off(self) -> None:
        for value in ("auto", "off", 0):
            self.assertEqual(self.plan(value, {}, FAN), OFF)

    def test_refused(self) -> None:
        for bad in ("ON", "900", "", None, True, False, {}, []):
            self.assertTrue(self.refusal(bad, {}, FAN).startswith("No values to update"), bad)
        for bad in (-1, 43_201, 12.5, float("nan"), float("inf"), 10**400):
            self.refusal(bad, {}, FAN)

    def test_there_has_to_be_one(self) -> None:
        for device in (TOLD, {"has_fan": False}):
            for value in ("on", "auto", 900):
                self.assertEqual(
                    self.refusal(value, {}, device), "Device does not have a fan (has_fan=false)"
                )
        self.plan("on")
        self.plan("on", {})
        # What stands in the bucket of one that has told nothing may be from us.
        self.plan("on", {}, {"fan_timer_timeout": 0})


class Humidity(CommandTestCase):
    command = "set_humidity"

    def test_target_and_switch(self) -> None:
        for value, fields in (
            (40, {"target_humidity": 40}),
            ({"target": 40.0}, {"target_humidity": 40}),
            ({"enabled": False}, {"target_humidity_enabled": False}),
            ({"target": 10, "enabled": True}, {"target_humidity": 10, "target_humidity_enabled": True}),
        ):
            for wiring in ({"has_humidifier": True}, {"has_dehumidifier": True}):
                self.assertEqual(self.plan(value, {}, wiring), {"device": fields})

    def test_refused(self) -> None:
        for bad in (
            *(9, 61, 40.5, "40", None, True, [], {}, float("nan")),
            *({"target": None}, {"enabled": "true"}, {"target": 40, "mode": "on"}),
        ):
            self.refusal(bad)
        self.assertIn("from 10 to 60", self.refusal({"target": 70}))

    def test_there_has_to_be_something_to_do_it(self) -> None:
        self.assertIn("has_humidifier=false", self.refusal(40, {}, {"has_humidifier": False, **TOLD}))
        self.plan(40)


class HotWater(CommandTestCase):
    command = "set_hot_water"

    def boosted(self, value: object) -> int:
        fields = self.plan(value)["device"]
        self.assertEqual(list(fields), ["hot_water_boost_time_to_end"])
        end: int = fields["hot_water_boost_time_to_end"]
        return end - SECONDS if end else 0

    def test_boost(self) -> None:
        for value, seconds in (("on", 1800), ("off", 0), (0, 0), (3600, 3600), ({"boost": 60}, 60)):
            self.assertEqual(self.boosted(value), seconds)

    def test_mode_and_temperature(self) -> None:
        self.assertEqual(
            self.plan({"mode": "off", "temperature": 55, "boost": 0}),
            {
                "device": {
                    "hot_water_mode": "off",
                    "hot_water_temperature": 55.0,
                    "hot_water_boost_time_to_end": 0,
                }
            },
        )

    def test_refused(self) -> None:
        for bad in (
            *("boost", None, True, [], {}, -1, 43_201, 1.5, float("nan")),
            *({"mode": "on"}, {"mode": []}, {"temperature": 90}, {"boost": "on"}, {"boost": 60, "x": 1}),
        ):
            self.refusal(bad)

    def test_there_has_to_be_control(self) -> None:
        self.assertEqual(
            self.refusal("on", {}, TOLD),
            "Device does not have hot water control (has_hot_water_control=false)",
        )
        control = {"has_hot_water_control": True, **TOLD}
        self.plan("on", {}, control)
        self.refusal({"temperature": 55}, {}, control)
        self.plan({"temperature": 55}, {}, control | {"has_hot_water_temperature": True})
