"""The use cases of pairing, on a store that can be made to fail."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from nled.actions import pairing
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

    def away(self) -> None:
        """Let the tries under way fail."""
        for _, answer in self.store.asked:
            if not answer.called:
                answer.errback(StoreUnavailable("away"))

    def last(self) -> dict[str, bool]:
        """What was asked for last: whether each device was reset."""
        return {each.serial[0]: each.reset for each in self.store.asked[-1][0]}

    def test_a_store_that_is_away(self) -> None:
        kept = self.arrivals.entered("A" * 10, {"reset": "TRUE", "mac": "18B430ABCDEF"})
        self.clock.advance(0)
        self.away()
        self.successResultOf(kept)
        # Answered at once from then on, and a later entry takes nothing back.
        self.assertIsNone(self.arrivals.entered("A" * 10, {"reset": "FALSE", "model": "x"}))
        self.assertIsNone(self.arrivals.entered("B" * 10, {"reset": "TRUE"}))
        self.clock.advance(5)
        self.assertEqual(len(self.store.asked), 2)
        self.assertEqual(self.last(), {"A": True, "B": True})
        facts = {"reset": "FALSE", "model": "x", "mac": "18B430ABCDEF"}
        self.assertEqual(self.store.asked[-1][0][0].facts, facts)
        # A try that lasts is the only one, also when the store is said to be back.
        self.assertIsNone(self.arrivals.entered("C" * 10, {}))
        self.arrivals.store_is_back()
        self.clock.advance(5)
        self.assertEqual(len(self.store.asked), 2)
        self.away()
        self.arrivals.store_is_back()
        self.assertEqual(self.last(), {"A": True, "B": True, "C": False})
        self.arrivals.entered("D" * 10, {})
        self.store.asked[-1][1].callback(None)
        self.clock.advance(0)
        self.assertEqual(self.last(), {"D": False})
        self.store.asked[-1][1].callback(None)
        self.assertIsNotNone(self.arrivals.entered("E" * 10, {"reset": "TRUE"}))
        self.clock.advance(0)
        self.assertEqual(self.last(), {"E": True})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_resets_are_kept_before_all_else(self) -> None:
        for number in range(1001):
            self.arrivals.entered(f"A{number:09}", {})
        for number in range(1001):
            self.arrivals.entered(f"B{number:09}", {"reset": "TRUE"})
        self.arrivals.entered("C" * 10, {})
        self.clock.advance(0)
        self.assertEqual(len(self.store.asked[0][0]), 1000)
        self.assertEqual(self.last(), {"B": True})
        self.away()
        self.clock.advance(5)
        self.assertEqual((len(self.store.asked[1][0]), self.last()), (1000, {"B": True}))

    def test_what_waits_when_nled_stops_is_lost_and_said_to_be(self) -> None:
        said: list[str] = []
        self.patch(pairing, "_log", Logger(observer=lambda event: said.append(formatEvent(event))))
        for serial in "AB":
            self.arrivals.entered(serial * 10, {"reset": str(serial == "A")})
        self.clock.advance(0)
        self.away()
        said.clear()
        self.successResultOf(Deferred.fromCoroutine(self.arrivals.stop()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        [line] = said
        self.assertIn("AAAAAAAAAA: its factory reset is lost", line)

    def test_what_a_device_said_is_stored_before_it_asks_on(self) -> None:
        for serial in "AB":
            self.arrivals.entered(serial * 10, {"reset": "TRUE"})
        self.clock.advance(0)
        self.away()
        self.successResultOf(Deferred.fromCoroutine(self.arrivals.settle("C" * 10)))
        asking = Deferred.fromCoroutine(self.arrivals.settle("A" * 10))
        self.assertEqual(self.last(), {"A": True})
        self.arrivals.entered("A" * 10, {"model": "x"})
        self.away()
        self.failureResultOf(asking, StoreUnavailable)
        # It still waits, with what the device said since.
        asking = Deferred.fromCoroutine(self.arrivals.settle("A" * 10))
        [arrival] = self.store.asked[-1][0]
        self.assertEqual((arrival.reset, dict(arrival.facts)), (True, {"reset": "TRUE", "model": "x"}))
        self.store.asked[-1][1].callback(None)
        self.successResultOf(asking)
        self.arrivals.store_is_back()
        self.assertEqual(self.last(), {"B": True})
        self.store.asked[-1][1].callback(None)

    def test_a_try_that_nled_stops_in_is_the_last(self) -> None:
        self.arrivals.heard("A" * 10, "10.0.0.1", "")
        self.clock.advance(0)
        self.successResultOf(Deferred.fromCoroutine(self.arrivals.stop()))
        self.away()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_password_that_can_be_the_key_of_its_settings_is_kept(self) -> None:
        for serial, password in (("A", b"aB3xK9"), ("B", b""), ("C", b'a"b')):
            self.arrivals.entered(serial * 10, {}, password)
        self.clock.advance(0)
        self.assertEqual([each.secret for each in self.store.asked[0][0]], ["aB3xK9", "", ""])
