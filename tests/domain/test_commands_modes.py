"""Mode, away, schedule: protocol c.2, c.2.2, d.3."""

from tests.domain.thermostats import SECONDS, TOLD, CommandTestCase

CLEARED = {"ver": 2, "days": {}, "name": "Cleared", "schedule_mode": "HEAT"}


class Mode(CommandTestCase):
    command = "set_mode"

    def test_all_names_in_any_case(self) -> None:
        for name, mode in {
            "off": "off",
            "HEAT": "heat",
            "Cool": "cool",
            "heat-cool": "range",
            "heat_cool": "range",
            "range": "range",
            "auto": "range",
            "emergency": "emergency",
        }.items():
            self.assertEqual(self.plan(name), {"shared": {"target_temperature_type": mode}}, name)

    def test_unknown(self) -> None:
        self.assertEqual(
            self.refusal("warm"),
            "Unknown mode 'warm'. Valid modes: off, heat, cool, heat-cool, range, auto, emergency",
        )
        self.assertIn("set_away", self.refusal("Eco"))
        self.assertLess(len(self.refusal("x" * 10_000)), 200)
        for bad in (None, 5, True, [], {}):
            self.refusal(bad)

    def test_what_the_wiring_cannot_do(self) -> None:
        no_heat, no_cool = {"can_heat": False}, {"can_cool": False}
        self.assertEqual(self.refusal("heat", no_heat), "Device does not support heating (can_heat=false)")
        self.assertEqual(self.refusal("cool", no_cool), "Device does not support cooling (can_cool=false)")
        for wiring in (no_heat, no_cool):
            self.assertEqual(
                self.refusal("auto", wiring), "Range mode requires both heating and cooling capability"
            )
            self.plan("off", wiring)
        self.plan("heat", no_cool)
        self.plan("cool", no_heat)

    def test_emergency_heat_has_to_be_there(self) -> None:
        text = "Device does not have emergency heat (has_emer_heat=false)"
        self.assertEqual(self.refusal("emergency", {}, TOLD), text)
        self.assertEqual(self.refusal("emergency", {"has_emer_heat": False}), text)
        self.plan("emergency", {}, {"has_emer_heat": True})

    def test_shared_is_asked_before_device(self) -> None:
        self.plan("heat", {"can_heat": True}, {"can_heat": False})
        self.refusal("heat", {}, {"can_heat": False})
        self.plan("heat", {"can_heat": 0}, {"can_heat": "false"})


class Away(CommandTestCase):
    command = "set_away"

    def test_away(self) -> None:
        self.assertEqual(
            self.plan(value=True), {"structure": {"manual_eco_all": True, "manual_eco_timestamp": SECONDS}}
        )

    def test_back(self) -> None:
        changes = self.plan(value=False)
        self.assertEqual(list(changes), ["structure", "device"])
        self.assertEqual(
            changes["structure"],
            {"manual_eco_all": False, "manual_eco_timestamp": SECONDS, "away": False},
        )
        self.assertEqual(
            changes["device"],
            {"eco": {"mode": "schedule", "touched_by": 3, "mode_update_timestamp": SECONDS}},
        )

    def test_nothing_else(self) -> None:
        for bad in ("false", "true", 0, 1, None, {}, []):
            self.refusal(bad)


class ScheduleMode(CommandTestCase):
    command = "set_schedule_mode"

    def test_any_case(self) -> None:
        for value, mode in {"HEAT": "HEAT", "cool": "COOL", "Range": "RANGE"}.items():
            self.assertEqual(self.plan(value), {"shared": {"schedule_mode": mode}})

    def test_nothing_else(self) -> None:
        for bad in ("OFF", "", 5, None, True, {}, ["HEAT"]):
            self.assertEqual(self.refusal(bad), "schedule_mode must be one of: HEAT, COOL, RANGE")


class Schedule(CommandTestCase):
    command = "set_schedule"

    def test_shared_follows_it(self) -> None:
        for shared in (None, {}, {"schedule_mode": "COOL"}, {"schedule_mode": 5}):
            changes = self.plan(CLEARED, shared)
            self.assertEqual(list(changes), ["schedule", "shared"])
            self.assertEqual(changes["shared"], {"schedule_mode": "HEAT"})

    def test_within_the_safety_temperatures(self) -> None:
        safety = {"lower_safety_temp_enabled": True, "lower_safety_temp": 10}
        for fields in ({"type": "HEAT", "temp": 4.5}, {"type": "RANGE", "temp-min": 9, "temp-max": 25}):
            week = {"ver": 2, "schedule_mode": fields["type"], "days": {"3": [{"time": 0, **fields}]}}
            self.plan(week)
            said = self.refusal(week, {}, safety)
            self.assertIn("Day '3' entry 0: temp", said)
            self.assertIn("at least 10.0 °C, the lower safety temperature", said)

    def test_shared_is_left_alone_where_it_is_right(self) -> None:
        changes = self.plan(CLEARED, {"schedule_mode": "HEAT"})
        self.assertEqual(list(changes), ["schedule"])
        self.assertEqual(changes["schedule"]["days"], {str(day): {} for day in range(7)})

    def test_refused(self) -> None:
        self.assertEqual(self.refusal([]), "Schedule must be a JSON object")
