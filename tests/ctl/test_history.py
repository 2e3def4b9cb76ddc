"""History as a plot, as CSV and as JSON."""

import sys
import time
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from nled.ctl.plot import plot
from nled.domain.history import SERIES
from nled.web.history import Series
from tests.ctl.support import SERIAL, CtlTestCase, wire

START = 1_795_000_000_000
HOUR = 3_600_000
POINTS = {
    "temperature": [[START, 19.5], [START + HOUR, 20.5]],
    "target": [[START, 21.0]],
    "mode": [[START, "heat"]],
    "heating": [[START, True], [START + HOUR, False]],
}


def answer(points=POINTS):
    return wire(
        Series,
        **{"serial": SERIAL, "from": START, "to": START + 24 * HOUR, "time_zone": "Europe/Berlin"},
        thinned=False,
        points=points,
        run_times=[{"day": "2026-11-18", "heating": 3600, "cooling": 0, "fan": 90}],
    )


class HistoryTests(CtlTestCase):
    def setUp(self):
        super().setUp()
        self.daemon.answers["GET", "/api/history"] = answer()

    def test_plot(self):
        ran = self.good("history", SERIAL)
        self.assertIn("⢕ temperature   ▚ target", ran.out)
        self.assertRegex(ran.out, "(?m)^21.0+┤")
        self.assertNotIn("\x1b", ran.out)
        self.assertEqual(ran.out.splitlines()[-1].split(), ["2026-11-18", "60", "min", "-", "90", "s"])

    def test_a_plot_without_what_draws_it(self):
        with patch.dict(sys.modules, plotext=None):
            ran = self.run_ctl("history", SERIAL)
            self.assertEqual((ran.status, ran.out, ran.err.count("\n")), (1, "", 1))
            self.assertIn("pip install '.[plot]'", ran.err)
            self.assertIn("heat", self.good("history", SERIAL, "--field", "mode").out)

    def test_low_and_high_count_in_mode_range(self):
        for mode, shown in (("heat", False), ("range", True)):
            points = {**POINTS, "low": [[START, 18.0]], "mode": [[START, "off"], [START + HOUR, mode]]}
            self.daemon.answers["GET", "/api/history"] = answer(points)
            self.assertEqual("▾ low" in self.good("history", SERIAL).out, shown)

    def test_what_is_asked(self):
        self.good("history", SERIAL, "--last", "7d", "--field", "humidity", "--field", "low")
        query = self.asked().query
        self.assertEqual((query["serial"], query["fields"]), (SERIAL, "humidity,low"))
        self.assertLess(abs(int(query["from"]) / 1000 - (time.time() - 7 * 86_400)), 60)
        self.good("history", SERIAL, "--from", "2026-11-01", "--to", "2026-12-01")
        self.assertEqual(self.asked().query, {"serial": SERIAL, "from": "2026-11-01", "to": "2026-12-01"})
        # The day before a time is what the API gives, which knows the zone of the home.
        self.good("history", SERIAL, "--to", "2026-12-01")
        self.assertEqual(self.asked().query, {"serial": SERIAL, "to": "2026-12-01"})
        for other in ("--from", "--to"):
            self.assertEqual(self.run_ctl("history", SERIAL, other, "1", "--last", "2h").status, 2)

    def test_csv(self):
        self.assertEqual(
            self.good("history", SERIAL, "--csv").out.splitlines(),
            [
                "time,field,value",
                "2026-11-18T11:06:40.000Z,heating,true",
                "2026-11-18T11:06:40.000Z,mode,heat",
                "2026-11-18T11:06:40.000Z,target,21.0",
                "2026-11-18T11:06:40.000Z,temperature,19.5",
                "2026-11-18T12:06:40.000Z,heating,false",
                "2026-11-18T12:06:40.000Z,temperature,20.5",
            ],
        )

    def test_what_is_no_number_is_listed(self):
        for fields, times in ((("mode",), 1), (("mode", "heating"), 3)):
            ran = self.good("history", SERIAL, *(f"--field={name}" for name in fields))
            head, first, *more = ran.out.split("\n\n")[0].splitlines()
            self.assertEqual(head.split(), ["TIME", "FIELD", "VALUE"])
            self.assertEqual(len(more) + 1, times)
            # As the home has it.
            self.assertEqual(first.split()[:2], ["2026-11-18", "12:06:40"])
        self.assertEqual(more[-1].split()[2:], ["heating", "no"])
        ran = self.good("history", SERIAL, "--field=temperature", "--field=mode")
        self.assertIn("⢕ temperature", ran.out)
        self.assertRegex(ran.out, "mode +heat")

    def test_help_names_the_fields(self):
        said = self.good("history", "--help").out
        for name in SERIES:
            self.assertIn(name, said)

    def test_as_far_back_as_there_is_time(self):
        self.good("history", SERIAL, "--last", "99999d")
        self.assertEqual(self.asked().query["from"], "0")

    def test_one_form_at_a_time(self):
        self.assertEqual(self.run_ctl("history", SERIAL, "--csv", "--json").status, 2)

    def test_json(self):
        self.assertEqual(self.good("history", SERIAL, "--json").json["points"], POINTS)

    def test_nothing(self):
        self.daemon.answers["GET", "/api/history"] = answer({})
        self.assertEqual(self.good("history", SERIAL).err, "Nothing was recorded in that time.\n")


class PlotTests(SynchronousTestCase):
    def plot(self, zone="Europe/Berlin", hours=24, **series):
        return plot(series, START + hours * HOUR, zone, (80, 20), colour=False)

    def test_a_value_holds_until_the_next(self):
        """Nothing in between is made up: a straight line would pass 20 °C."""
        text = self.plot(temperature=[(START, 19.0), (START + 12 * HOUR, 21.0)])
        middle = [line for line in text.splitlines() if line.startswith("20.0")]
        self.assertEqual(len(middle), 1)
        self.assertLessEqual(len(middle[0].split("┤")[1].strip(" │")), 1)

    def test_times_are_the_homes(self):
        last = self.plot(temperature=[(START, 19.0)]).splitlines()[-1]
        self.assertEqual(last.split(), ["12:06", "18:06", "00:06", "06:06", "12:06"])
        self.assertIn("18 Nov", self.plot(hours=24 * 7, temperature=[(START, 19.0)]))
        # A zone that this machine does not know.
        self.assertEqual(len(self.plot(zone="Mars/Base", temperature=[(START, 19.0)]).splitlines()), 20)

    def test_the_legend_is_there_however_narrow(self):
        flat = [(START, 19.0)]
        text = plot(
            dict.fromkeys(("temperature", "target", "low", "high"), flat),
            START + HOUR, None, (20, 20), colour=False,
        )  # fmt: skip
        self.assertIn("⢕ temperature   ▚ target   ▾ low   ▴ high", text)

    def test_one_moment(self):
        self.assertIn("temperature", self.plot(hours=0, temperature=[(START, 0.0)]))
