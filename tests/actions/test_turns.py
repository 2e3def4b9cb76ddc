"""Turns, on a clock of the test's own."""

from twisted.internet.defer import Deferred, TimeoutError  # noqa: A004 - Twisted's is another one
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nled.actions.turns import Turns


class TurnsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock, patience=5, most=1000)

    def wait(self) -> Deferred[None]:
        waiting = self.turns.join("x")
        assert waiting is not None
        return waiting

    def test_nobody_there(self) -> None:
        self.assertIsNone(self.turns.join("x"))
        self.assertIsNone(self.turns.join("y"))
        self.turns.leave("x")
        self.assertIsNone(self.turns.join("x"))

    def test_one_after_the_other(self) -> None:
        self.turns.join("x")
        first, second = self.wait(), self.wait()
        self.turns.leave("x")
        self.successResultOf(first)
        self.assertNoResult(second)
        self.turns.leave("x")
        self.successResultOf(second)
        self.turns.leave("x")
        self.assertEqual((len(self.turns), self.clock.getDelayedCalls()), (0, []))

    def test_who_gives_up_is_passed_over(self) -> None:
        self.turns.join("x")
        first = self.wait()
        self.clock.advance(1)
        second = self.wait()
        self.clock.advance(4)
        self.failureResultOf(first, TimeoutError)
        self.turns.leave("x")
        self.successResultOf(second)

    def test_a_long_line_of_those_who_leave_at_once(self) -> None:
        """It is walked along, not nested: Python's stack would not reach."""
        self.turns.join("x")
        for _ in range(1000):
            self.wait().addCallback(lambda _: self.turns.leave("x"))
        with self.assertRaises(OverflowError):
            self.turns.join("x")
        self.turns.leave("x")
        self.assertEqual(len(self.turns), 0)
