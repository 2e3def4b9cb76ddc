"""The use cases of pairing, on a store that can be made to fail."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nled.actions.pairing import Arrivals
from nled.store.client import StoreUnavailable
from nled.store.pairing import Arrival


class Slow:
    """A store that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[Arrival], Deferred[None]]] = []

    async def arrived(self, arrivals: list[Arrival], now: int) -> None:
        answer: Deferred[None] = Deferred()
        self.asked.append((arrivals, answer))
        await answer


class ArrivalsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.store = Clock(), Slow()
        self.arrivals = Arrivals(self.store, self.clock, lambda: 5000)

    def test_those_of_one_turn_are_kept_together(self) -> None:
        self.assertIsNone(self.arrivals.entered("A" * 10, {"model": "x"}))
        self.assertIsNone(self.arrivals.entered("B" * 10, {"mac": "18b430abcdef"}))
        self.clock.advance(0)
        self.assertIsNone(self.arrivals.entered("C" * 10, {}))
        self.clock.advance(0)
        first, second = (arrivals for arrivals, _ in self.store.asked)
        self.assertEqual(
            [(each.serial, each.mac) for each in first], [("A" * 10, ""), ("B" * 10, "18B430ABCDEF")]
        )
        self.assertEqual([each.serial for each in second], ["C" * 10])

    def test_a_reset_can_be_waited_for_and_one_that_goes_leaves_the_others(self) -> None:
        gone, stays = (self.arrivals.entered(each * 10, {"reset": "TRUE"}) for each in "AB")
        self.clock.advance(0)
        self.assertNoResult(stays)
        gone.cancel()
        self.failureResultOf(gone)
        self.store.asked[0][1].callback(None)
        self.successResultOf(stays)

    def test_a_store_that_is_away(self) -> None:
        kept = self.arrivals.entered("A" * 10, {"reset": "TRUE"})
        self.clock.advance(0)
        self.store.asked[0][1].errback(StoreUnavailable("away"))
        self.successResultOf(kept)

    def test_a_password_that_can_be_the_key_of_its_settings_is_kept(self) -> None:
        for password in (b"aB3xK9", b"", b'a"b'):
            self.arrivals.entered("A" * 10, {}, password)
        self.clock.advance(0)
        self.assertEqual([each.secret for each in self.store.asked[0][0]], ["aB3xK9", "", ""])
