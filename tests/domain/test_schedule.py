"""Schedules as people send them: protocol c.2.3, d.4, h.4, n.7."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nled.domain.errors import BadRequest
from nled.domain.schedule import DAYS, MOST_A_DAY, MOST_NAME, normalise
from nled.simulator import facts
from tests.domain.thermostats import EXAMPLES


def entry(time: object = 21_600, temp: object = 20.5, **more: object) -> dict[str, object]:
    return {"type": "HEAT", "time": time, "temp": temp} | more


def ranged(**more: object) -> dict[str, object]:
    return {"type": "RANGE", "time": 0, "temp-min": 18, "temp-max": 24} | more


def week(monday: object, mode: object = "HEAT", **more: object) -> dict[str, object]:
    return {"ver": 2, "schedule_mode": mode, "days": {"0": monday}} | more


def monday(schedule: object) -> Any:
    days: Any = normalise(schedule)["days"]
    return days["0"]


def stored(time: int, temp: float = 20.5) -> dict[str, object]:
    return {"type": "HEAT", "time": time, "entry_type": "setpoint", "temp": temp}


class Normal(SynchronousTestCase):
    def test_cleared_as_clients_do_it(self) -> None:
        self.assertEqual(
            normalise({"ver": 2, "days": {}, "name": "Cleared", "schedule_mode": "HEAT"}),
            {"ver": 2, "name": "Cleared", "schedule_mode": "HEAT", "days": {day: {} for day in DAYS}},
        )

    def test_lists_and_maps_sorted_and_renumbered(self) -> None:
        expected = {"0": stored(0), "1": stored(21_600), "2": stored(86_399)}
        for day in (
            [entry(86_399), entry(0), entry(21_600)],
            {"7": entry(86_399), "10": entry(0), "2": entry(21_600)},
            {"evening": entry(86_399), "night": entry(0), "morning": entry(21_600)},
        ):
            self.assertEqual(monday(week(day)), expected)

    def test_mode_by_either_name_in_any_case(self) -> None:
        schedule = {"ver": 2, "mode": "heat", "days": {"0": [entry(type="Heat")]}}
        self.assertEqual(normalise(schedule)["schedule_mode"], "HEAT")
        self.assertEqual(monday(schedule), {"0": stored(21_600)})

    def test_a_range(self) -> None:
        self.assertEqual(
            monday(week([ranged(temp=20)], "RANGE")),
            {
                "0": {
                    "type": "RANGE",
                    "time": 0,
                    "entry_type": "setpoint",
                    "temp-min": 18.0,
                    "temp-max": 24.0,
                }
            },
        )

    def test_numbers_that_were_typed(self) -> None:
        self.assertEqual(monday(week([entry("21600", "20.5")])), {"0": stored(21_600)})
        self.assertEqual(monday(week([entry(21_600.0, 20)])), {"0": stored(21_600, 20.0)})

    def test_what_was_touched_is_kept_and_the_unknown_dropped(self) -> None:
        touched = {"touched_by": 2, "touched_at": 1_795_000_000, "touched_tzo": -3600, "touched_user_id": "u"}
        kept = monday(week([entry(**touched, colour="red", touched_id=None)]))
        self.assertEqual(kept, {"0": stored(21_600) | touched})

    def test_continuations_are_the_devices_own(self) -> None:
        day = [entry(0, 17, entry_type="continuation"), entry(0), entry()]
        self.assertEqual(monday(week(day)), {"0": stored(0), "1": stored(21_600)})

    def test_one_of_a_thermostat_can_be_sent_back(self) -> None:
        once = normalise(facts.schedule())
        self.assertEqual([each["time"] for each in monday(once).values()], [21_600, 79_200])
        self.assertEqual(normalise(once), once)

    def test_name(self) -> None:
        for absent in (None, ""):
            self.assertEqual(normalise(week([], name=absent))["name"], "Current Schedule")
        self.assertEqual(normalise(week([], name="Sommer ☀"))["name"], "Sommer ☀")
        for bad in (0, False, [], {}, "x" * (MOST_NAME + 1), "a\nb"):
            self.assertRaises(BadRequest, normalise, week([], name=bad))

    def test_as_many_as_fit(self) -> None:
        day = [entry(time * 900) for time in range(MOST_A_DAY)]
        self.assertEqual(len(monday(week(day))), MOST_A_DAY)
        # The thermostat adds one of its own.
        self.assertEqual(len(monday(week([{"entry_type": "continuation"}, *day]))), MOST_A_DAY)
        with self.assertRaises(BadRequest):
            normalise(week([*day, entry(5)]))


class Refused(SynchronousTestCase):
    def refusal(self, schedule: object) -> str:
        return str(self.assertRaises(BadRequest, normalise, schedule))

    def test_the_frame(self) -> None:
        for bad in (None, [], "x", 5, True):
            self.assertEqual(self.refusal(bad), "Schedule must be a JSON object")
        for bad in (None, 1, 3, "2", True, [2]):
            self.assertEqual(self.refusal(week([], ver=bad)), "Schedule ver must be 2")
        for bad in (None, "", "OFF", 5, [], {}, "EMERGENCY"):
            self.assertEqual(self.refusal(week([], bad)), "schedule_mode must be one of: HEAT, COOL, RANGE")
        for bad in (None, [], "x", 5):
            self.assertEqual(self.refusal(week([]) | {"days": bad}), "Schedule must contain a 'days' object")
        for bad in ("7", "-1", "00", "mon", "", "x" * 5000):
            said = self.refusal(week([]) | {"days": {bad: []}})
            self.assertEqual(said, f"Invalid day key '{bad[:20]}' (must be '0'-'6', Monday-Sunday)")
        for bad in (None, "x", 5, True):
            self.assertEqual(self.refusal(week(bad)), "Day '0' must be a list or dict of setpoints")

    def test_entries(self) -> None:
        for bad, said in (
            (5, "must be an object"),
            (None, "must be an object"),
            ([], "must be an object"),
            ({"type": "HEAT", "temp": 20}, "missing 'time'"),
            ({"time": 5, "temp": 20}, "missing 'type'"),
            ({"type": "HEAT", "time": 5}, "HEAT requires 'temp'"),
            (entry(entry_type="holiday"), "entry_type must be setpoint or continuation"),
            (entry(entry_type=[]), "entry_type must be setpoint or continuation"),
            (entry(touched_by=[]), "touched_by must be a number or text"),
            (entry(touched_by="x" * 81), "touched_by must be text of at most 80"),
            (entry(touched_at=float("nan")), "touched_at must be a number or text"),
            *((entry(type=kind), "invalid type") for kind in ("COOL", "OFF", 5, True, [], "")),
            *(
                (entry(time), "time must be 0-86399")
                for time in (
                    -1,
                    86_400,
                    0.5,
                    True,
                    [],
                    "x",
                    "1e3",
                    "nan",
                    " 5",
                    "\u0661",
                    float("nan"),
                    10**400,
                )
            ),
            *(
                (entry(temp=temp), "temp must be a number of °C")
                for temp in (True, [], {}, "x", "", "nan", "1e1", "inf", float("nan"), float("inf"), 10**400)
            ),
            *((entry(temp=temp), f"temp={temp} outside 4.5-32.0C") for temp in (4.4, 33, -10, "40", 0)),
        ):
            for day in ([entry(0), bad], {"0": entry(0), "1": bad}):
                refusal = self.refusal(week(day))
                self.assertTrue(refusal.startswith(f"Day '0' entry 1: {said}"), (bad, refusal))

    def test_two_at_one_time(self) -> None:
        said = self.refusal(week([entry(), entry("21600", 18)]))
        self.assertEqual(said, "Day '0' entry 1: another entry has the same time 21600")

    def test_ranges(self) -> None:
        for name in ("temp-min", "temp-max"):
            self.assertIn(f"RANGE requires '{name}'", self.refusal(week([ranged(**{name: None})], "RANGE")))
            self.assertIn("outside 4.5-32.0C", self.refusal(week([ranged(**{name: 50})], "RANGE")))
        for low in (24, 25):
            said = self.refusal(week([ranged(**{"temp-min": low})], "RANGE"))
            self.assertIn("temp-min must be under temp-max", said)


TIMES = st.integers(0, 86_399)
TEMPS = st.floats(4.5, 32) | st.integers(5, 32) | st.sampled_from(["20.5", "7"])


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, object]:
    mode = draw(st.sampled_from(["HEAT", "Cool", "range"]))

    def setpoint(time: int) -> dict[str, object]:
        temps: dict[str, object] = {"temp": draw(TEMPS)}
        if mode == "range":
            temps |= {"temp-min": draw(st.floats(4.5, 18)), "temp-max": draw(st.floats(19, 32))}
        return {"type": mode, "time": draw(st.sampled_from([time, str(time)])), **temps}

    def day() -> object:
        entries = [setpoint(time) for time in draw(st.lists(TIMES, max_size=5, unique=True))]
        return entries if draw(st.booleans()) else {str(place): each for place, each in enumerate(entries)}

    days = draw(st.lists(st.sampled_from(DAYS), unique=True))
    return {"ver": 2, "schedule_mode": mode, "days": {name: day() for name in days}}


class Properties(SynchronousTestCase):
    @EXAMPLES
    @given(schedules(), st.randoms(use_true_random=False))
    def test_twice_is_once_and_the_order_counts_for_nothing(
        self, schedule: dict[str, Any], order: random.Random
    ) -> None:
        once = normalise(schedule)
        self.assertEqual(normalise(once), once)
        for name, day in schedule["days"].items():
            if isinstance(day, list):
                order.shuffle(day)
            else:
                schedule["days"][name] = dict(order.sample(list(day.items()), len(day)))
        self.assertEqual(normalise(schedule), once)

    @EXAMPLES
    @given(schedules())
    def test_what_the_firmware_obeys(self, schedule: dict[str, Any]) -> None:
        once: Any = normalise(schedule)
        self.assertEqual(list(once["days"]), list(DAYS))
        for day in once["days"].values():
            self.assertEqual(list(day), [str(place) for place in range(len(day))])
            times = [each["time"] for each in day.values()]
            self.assertEqual(times, sorted(set(times)))
            for each in day.values():
                self.assertEqual((each["type"], each["entry_type"]), (once["schedule_mode"], "setpoint"))
