from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nled.availability import EVERY, Sweep
from nled.store.client import StoreUnavailable


class SweepTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.looks: list[int] = []
        self.answers: list[bool | Exception] = []
        self.sweep = Sweep(self.clock, self.tell_silent)

    async def tell_silent(self, now: int) -> bool:
        self.looks.append(now)
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer

    def test_at_once_and_then_now_and_then(self) -> None:
        self.clock.advance(1.5)
        self.sweep.start()
        self.clock.pump([EVERY, EVERY])
        self.assertEqual(self.looks, [1500, 11_500, 21_500])
        self.successResultOf(self.sweep.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_again_at_once_while_there_are_more(self) -> None:
        self.answers = [True, True]
        self.sweep.start()
        self.assertEqual(len(self.looks), 3)

    def test_trouble_does_not_end_it(self) -> None:
        self.answers = [StoreUnavailable("away"), ZeroDivisionError()]
        self.sweep.start()
        self.clock.pump([EVERY, EVERY])
        self.assertEqual(len(self.looks), 3)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stop_waits_for_a_look_under_way(self) -> None:
        looking: Deferred[bool | None] = Deferred()
        sweep = Sweep(self.clock, lambda _: looking)
        sweep.start()
        stopping = Deferred.fromCoroutine(sweep.stop())
        self.assertNoResult(stopping)
        looking.callback(None)
        self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_that_was_not_started(self) -> None:
        self.successResultOf(self.sweep.stop())
