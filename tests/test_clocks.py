"""The two clocks."""

import time

from twisted.trial.unittest import SynchronousTestCase

from nled import clocks


class ClocksTests(SynchronousTestCase):
    def test_the_wall_clock_in_ms(self) -> None:
        before = int(time.time() * 1000)
        self.assertTrue(before <= clocks.wall() <= time.time() * 1000 + 1)

    def test_the_steady_clock_goes_on(self) -> None:
        self.assertLessEqual(clocks.steady(), clocks.steady())
        # Not the time of a process, nor the wall clock.
        self.assertGreaterEqual(clocks.steady(), time.monotonic() - 1)
        self.assertLess(clocks.steady(), 1e9)
