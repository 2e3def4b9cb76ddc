"""Free memory goes back."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nled import memory
from nled.memory import Relief


class ReliefTests(SynchronousTestCase):
    def test_once_a_second(self) -> None:
        clock, trims = Clock(), []
        relief = Relief(clock, lambda: trims.append(clock.seconds()))
        for seconds, expected in ((0, 0), (0.5, 0), (0.5, 1), (0.5, 1)):
            clock.advance(seconds)
            self.assertEqual(len(trims), expected)
            relief()
        self.assertEqual(len(clock.getDelayedCalls()), 1)

    def test_where_the_c_library_has_no_such_thing(self) -> None:
        memory.trim()
        self.patch(memory.ctypes, "CDLL", lambda _: object())
        memory.trim()
