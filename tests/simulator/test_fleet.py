"""Many thermostats, what is shown of them and what is said in the end."""

import io

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from nled.simulator.fleet import COMPLAINTS, OK, UNREACHED, Fleet, serials
from nled.simulator.screen import line
from tests.simulator.fake import DeviceMixin, http


class Terminal(io.StringIO):
    def isatty(self):
        return True


class FleetTests(DeviceMixin, TestCase):
    def run_fleet(self, count, seconds, out):
        devices = [self.make_device(serial=serial) for serial in serials(count)]
        fleet = Fleet(self.clock, devices, out)
        code = self.finish(fleet.run(seconds))
        self.assertFalse(self.server.lines)
        self.assertFalse(self.clock.getDelayedCalls())
        return code, out.getvalue().splitlines()

    def test_serials(self):
        self.assertEqual(serials(17)[15:], ["02AA01AC00000010", "02AA01AC00000011"])

    def test_few_without_a_terminal(self):
        code, lines = self.run_fleet(2, 5, io.StringIO())
        self.assertEqual(code, OK)
        self.assertTrue(any(text.endswith("(state: held)") for text in lines), lines)
        self.assertTrue(any("A3X-R7M2" in text for text in lines), lines)
        self.assertIn("2 devices: 2 booted, 2 held, 0 pushes, 0 complaints", lines)

    def test_many_without_a_terminal(self):
        code, lines = self.run_fleet(30, 25, io.StringIO())
        self.assertEqual((code, len(lines)), (OK, 4))
        self.assertEqual(lines[3], "30 devices: 30 booted, 30 held, 0 pushes, 0 complaints")

    def test_terminal(self):
        """The lines are drawn over the last ones."""
        code, lines = self.run_fleet(2, 5, Terminal())
        self.assertEqual(code, OK)
        self.assertTrue(
            any(text.startswith("\x1b[2A\x1b[J02AA01AC00000001  A3X-R7M2") for text in lines), lines
        )

    def test_complaints(self):
        self.server.answers["status"] = http({"status": "lost"})
        code, lines = self.run_fleet(30, 5, io.StringIO())
        self.assertEqual(code, COMPLAINTS)
        self.assertIn("02AA01AC00000001 complains about status: the status is 'lost'", lines)
        self.assertEqual(lines[-1], "    30 x status: the status is 'lost'")

    def test_unreached(self):
        self.server.refuse = True
        code, lines = self.run_fleet(1, 60, io.StringIO())
        self.assertEqual(code, UNREACHED)
        self.assertIn("     1 x /entry: no connection to nled.test port 8000", lines[-2])
        self.assertEqual(lines[-1], "Nothing answered at http://nled.test:8000; is nled running there?")

    def test_stop(self):
        """Ctrl-C: the fleet ends before its time, with the same summary; twice is once."""
        out = io.StringIO()
        fleet = Fleet(self.clock, [self.device], out)
        running = Deferred.fromCoroutine(fleet.run())
        self.until(self.device.when(lambda device: device.state == "held"))
        for _ in range(2):
            self.finish(fleet.stop())
        self.assertEqual(self.successResultOf(running), OK)
        self.assertFalse(self.clock.getDelayedCalls())

    def test_line(self):
        self.device.bucket("shared").value.update(current_temperature=0, target_temperature=21)
        self.assertEqual(
            line(self.device),
            "02AA01AC00000001  no code   unclaimed  booting    0.0 °C to 21.0 °C  0 pushes, 0 complaints",
        )
