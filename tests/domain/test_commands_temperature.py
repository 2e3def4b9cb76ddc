"""Setpoints and eco temperatures: protocol c.2, d.3."""

from tests.domain.thermostats import TOUCHED, CommandTestCase

NO_NUMBERS: tuple[object, ...] = (
    None,
    True,
    False,
    "21",
    "NaN",
    [],
    [21],
    float("nan"),
    float("inf"),
    -float("inf"),
    10**400,
    1e300,
)


class Setpoint(CommandTestCase):
    command = "set_temperature"

    def test_one(self) -> None:
        self.assertEqual(
            self.plan(21),
            {
                "shared": {
                    "target_temperature": 21.0,
                    "target_change_pending": True,
                    "touched_by": TOUCHED,
                }
            },
        )

    def test_a_range(self) -> None:
        fields = self.plan({"low": 18, "high": 24.5})["shared"]
        self.assertEqual((fields["target_temperature_low"], fields["target_temperature_high"]), (18, 24.5))
        self.assertNotIn("target_temperature", fields)
        self.assertTrue(fields["target_change_pending"])

    def test_one_end_of_a_range(self) -> None:
        fields = self.plan({"low": 18}, {"target_temperature_high": 20})["shared"]
        self.assertEqual(fields["target_temperature_low"], 18)
        self.assertNotIn("target_temperature_high", fields)

    def test_the_limits_belong_to_it(self) -> None:
        for value in (4.5, 32):
            self.assertEqual(self.plan(value)["shared"]["target_temperature"], value)
        for value in (4.49, 32.01, 0, -5, 70):
            self.assertIn("from 4.5 to 32.0 °C", self.refusal(value))

    def test_what_is_no_temperature(self) -> None:
        for value in (*NO_NUMBERS, {}, {"mid": 20}, {"low": 18, "mid": 20}):
            self.refusal(value)
        for bad in NO_NUMBERS:
            self.assertIn("low", self.refusal({"low": bad}))

    def test_a_range_is_in_order(self) -> None:
        for value in ({"low": 24, "high": 18}, {"low": 20, "high": 20}):
            self.assertIn("low must be under high", self.refusal(value))
        self.assertIn("20.0", self.refusal({"low": 21}, {"target_temperature_high": 20}))
        self.refusal({"high": 18}, {"target_temperature_low": 18.0})

    def test_a_stored_end_may_be_anything(self) -> None:
        for odd in (None, True, "20", {}, 10**400, float("nan")):
            self.plan({"low": 21}, {"target_temperature_high": odd})

    def test_safety_bounds_count_while_enabled(self) -> None:
        settings = {"lower_safety_temp": 7.222, "upper_safety_temp": 30}
        self.plan(5, {}, settings)
        on = {"lower_safety_temp_enabled": True, "upper_safety_temp_enabled": True, **settings}
        self.assertIn("at least 7.222 °C, the lower safety temperature", self.refusal(5, {}, on))
        self.assertIn("at most 30.0 °C, the upper safety temperature", self.refusal({"high": 31}, {}, on))
        self.plan(7.222, {}, on)

    def test_the_lock_counts_while_it_is_on(self) -> None:
        lock = {"temperature_lock_low_temp": 20, "temperature_lock_high_temp": 22.222}
        self.plan(25, {}, {"temperature_lock": False, **lock})
        on = {"temperature_lock": True, **lock}
        self.assertIn("temperature_lock_high_temp", self.refusal(25, {}, on))
        self.assertIn("temperature_lock_low_temp", self.refusal({"low": 19, "high": 22}, {}, on))
        # 72 °F, as precisely as a client may write it.
        self.plan(22.2222222, {}, on)
        # 71 °F, the other way round.
        self.plan(21.6666667, {}, {"temperature_lock": True, "temperature_lock_low_temp": 21.667})

    def test_bounds_that_are_no_numbers_are_none(self) -> None:
        self.plan(25, {}, {"temperature_lock": True, "temperature_lock_high_temp": "20"})
        self.plan(25, {}, {"temperature_lock": "true", "temperature_lock_high_temp": 20})


class Eco(CommandTestCase):
    command = "set_eco_temperatures"

    def test_both_and_either(self) -> None:
        self.assertEqual(
            self.plan({"high": 28, "low": 12.5}),
            {"device": {"away_temperature_low": 12.5, "away_temperature_high": 28.0}},
        )
        self.assertEqual(self.plan({"high": 28}), {"device": {"away_temperature_high": 28.0}})

    def test_within_the_safety_temperatures(self) -> None:
        safety = {
            "lower_safety_temp_enabled": True,
            "lower_safety_temp": 10,
            "upper_safety_temp_enabled": True,
            "upper_safety_temp": 30,
        }
        self.assertIn("low must be at least 10.0 °C", self.refusal({"low": 5}, {}, safety))
        self.assertIn("upper_safety_temp", self.refusal({"high": 32}, {}, safety))
        self.plan({"low": 10, "high": 30}, {}, safety)
        # The lock is for hands on the dial.
        self.plan({"low": 10}, {}, {"temperature_lock": True, "temperature_lock_low_temp": 18})

    def test_refused(self) -> None:
        for value in (*NO_NUMBERS, 20, {}, {"low": 4}, {"high": 33}, {"low": 20, "high": 20}, {"eco": 1}):
            self.refusal(value)
        for bad in NO_NUMBERS:
            self.assertIn("high", self.refusal({"high": bad}))
        self.assertIn("away_temperature_high", self.refusal({"low": 25}, {}, {"away_temperature_high": 25}))
