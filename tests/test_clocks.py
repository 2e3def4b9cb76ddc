"""The clock of the reactor: that of Twisted itself follows the wall clock."""

import time
from unittest.mock import patch

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.pollreactor import PollReactor
from twisted.trial.unittest import SynchronousTestCase

from nled import clocks


class SteadyTimersTests(SynchronousTestCase):
    """These fail when Twisted takes the time from elsewhere; `steady_timers` then needs another way."""

    def setUp(self) -> None:
        self.steady = 100.0
        self.patch(clocks, "steady", lambda: self.steady)

    def test_timers_end_whatever_the_wall_clock_does(self) -> None:
        for kind in (EPollReactor, PollReactor):
            for wall in (0.0, 4e9):
                with self.subTest(kind=kind, wall=wall), patch.object(time, "time", return_value=wall):
                    self.ends(kind())

    def ends(self, reactor) -> None:
        self.addCleanup(reactor.removeAll)
        clocks.steady_timers(reactor)
        self.assertEqual(reactor.seconds(), self.steady)
        ended = []
        call = reactor.callLater(5, ended.append, "first")
        moved = reactor.callLater(1, ended.append, "moved")
        moved.reset(6)
        self.assertEqual(call.getTime(), self.steady + 5)
        reactor.runUntilCurrent()
        # How long it may sleep until then.
        self.assertEqual((ended, reactor.timeout()), ([], 5))
        self.steady += 5
        reactor.runUntilCurrent()
        self.assertEqual((ended, reactor.timeout()), (["first"], 1))
        self.steady += 1
        reactor.runUntilCurrent()
        self.assertEqual((ended, reactor.timeout()), (["first", "moved"], None))

    def test_not_when_timers_run_already(self) -> None:
        reactor = EPollReactor()
        self.addCleanup(reactor.removeAll)
        reactor.callLater(5, lambda: None)
        self.assertRaises(RuntimeError, clocks.steady_timers, reactor)


class ClocksTests(SynchronousTestCase):
    def test_the_wall_clock_in_ms(self) -> None:
        before = int(time.time() * 1000)
        self.assertTrue(before <= clocks.wall() <= time.time() * 1000 + 1)

    def test_the_steady_clock_goes_on(self) -> None:
        self.assertLessEqual(clocks.steady(), clocks.steady())
        # Not the time of a process, nor the wall clock.
        self.assertGreaterEqual(clocks.steady(), time.monotonic() - 1)
        self.assertLess(clocks.steady(), 1e9)
