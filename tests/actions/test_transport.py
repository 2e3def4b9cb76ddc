"""The use cases of the transport, on a clock and a store of the test's own."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nled.actions.transport import BATCH_WINDOW, RETRY, Poll, Transport
from nled.domain.buckets import ObjectKey
from nled.domain.errors import Full
from nled.domain.requests import Listed, Put, Subscribe
from nled.domain.wire import Receipt, Update
from nled.hub import Hub
from nled.store.buckets import Newer, Written
from nled.store.client import StoreRefused, StoreUnavailable
from nled.store.errors import from_reply

SERIAL = "02AA01AC33140F61"
KEY = f"shared.{SERIAL}"
HOLD = 290


def update(timestamp: int, value: str = "21") -> Update:
    return Update(Receipt(1, timestamp, KEY), {"target_temperature": value}, {"target_temperature": 7})


class Store:
    """Answers what the test put into `newer`, at once or when it is told to."""

    def __init__(self) -> None:
        self.opening: Deferred[Newer] | Exception = Deferred()
        self.newer: tuple[Update, ...] | Exception = ()
        self.due: int | None = None
        self.slow: Deferred[None] | None = None
        self.claims: list[dict[str, int]] = []
        self.notes: list[tuple[tuple[Update, ...], int]] = []

    async def subscribe(self, serial: str, listed: Sequence[Listed], now: int, sender: str) -> Newer:
        if isinstance(self.opening, Exception):
            raise self.opening
        return await self.opening

    async def reread(self, serial: str, claims: dict[str, int], opened: int, now: int) -> Newer:
        self.claims.append(dict(claims))
        if self.slow is not None:
            await self.slow
        if isinstance(self.newer, Exception):
            raise self.newer
        return Newer(self.newer, self.due)

    async def pushed(self, serial: str, updates: tuple[Update, ...], opened: int, now: int) -> None:
        if isinstance(self.newer, Exception):
            raise self.newer
        self.notes.append((updates, opened))

    async def put(self, serial: str, puts: Sequence[Put], now: int, sender: str) -> list[Written]:
        return [Written("stored", Receipt(7, 8, str(put.key))) for put in puts]


class TransportTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.hub = Hub(self.clock, HOLD, 10)
        self.store = Store()
        self.transport = Transport(self.store, self.hub, lambda: 0)

    def subscribe(self, values: dict[str, str] | None = None, *, chunked: bool = True) -> Deferred[Poll]:
        listed = (Listed(ObjectKey("shared", SERIAL), 5, values or {}),)
        return Deferred.fromCoroutine(
            self.transport.subscribe(SERIAL, Subscribe(chunked=chunked, listed=listed))
        )

    def held(self) -> Poll:
        self.store.opening.callback(Newer(()))
        return self.successResultOf(self.subscribe())

    def sent(self) -> Poll:
        """A poll that has just sent its first chunk."""
        poll = self.held()
        waiting = self.next(poll)
        self.store.newer = (update(9),)
        self.hub.changed(SERIAL)
        self.assertEqual(self.successResultOf(waiting), (update(9),))
        poll.written((update(9),))
        return poll

    def next(self, poll: Poll) -> Deferred[tuple[Update, ...]]:
        return Deferred.fromCoroutine(poll.next())


class Polls(TransportTestCase):
    def test_a_change_while_the_store_is_read_is_not_lost(self) -> None:
        subscribing = self.subscribe()
        self.hub.changed(SERIAL)
        self.store.opening.callback(Newer(()))
        self.store.newer = (update(9),)
        self.assertEqual(self.successResultOf(self.next(self.successResultOf(subscribing))), (update(9),))

    def test_a_store_that_fails_leaves_no_ticket(self) -> None:
        subscribing = self.subscribe()
        self.store.opening.errback(StoreUnavailable("away"))
        self.failureResultOf(subscribing, StoreUnavailable)
        self.assertEqual(len(self.hub), 0)

    def refused(self) -> StoreUnavailable:
        """What a store answers whose memory is full."""
        answer = from_reply("OOM command not allowed")
        assert isinstance(answer, StoreRefused)
        self.store.opening = answer
        return answer

    def test_a_poll_with_nothing_to_store_is_held_by_a_store_that_takes_no_writes(self) -> None:
        self.refused()
        waiting = self.next(self.successResultOf(self.subscribe()))
        self.clock.pump([RETRY] * 3)
        self.hub.changed(SERIAL)
        self.assertNoResult(waiting)
        self.assertEqual(self.store.claims, [])
        # It is recorded when it can be, and what it has yet to learn is sent then.
        self.store.opening = succeed(Newer((update(9),)))
        self.clock.advance(RETRY)
        self.assertEqual(self.successResultOf(waiting), (update(9),))

    def test_and_what_it_is_told_then_counts(self) -> None:
        self.refused()
        poll = self.successResultOf(self.subscribe())
        waiting = self.next(poll)
        self.store.opening = succeed(Newer(()))
        self.clock.advance(RETRY)
        self.assertNoResult(waiting)
        self.hub.changed(SERIAL)
        self.assertEqual(self.store.claims, [{KEY: 5}])

    def test_it_ends_where_there_is_no_room_for_the_device(self) -> None:
        self.refused()
        waiting = self.next(self.successResultOf(self.subscribe()))
        self.store.opening = Full("no room")
        self.clock.advance(RETRY)
        self.assertEqual(self.successResultOf(waiting), ())

    def test_one_with_values_or_that_wants_no_hold_is_refused(self) -> None:
        for about in ({"values": {"a": "1"}}, {"chunked": False}):
            refused = self.refused()
            failure = self.failureResultOf(self.subscribe(**about), StoreRefused)
            self.assertIs(failure.value, refused)
            self.assertEqual(len(self.hub), 0)

    def test_nor_does_a_device_that_goes_meanwhile(self) -> None:
        subscribing = self.subscribe()
        subscribing.cancel()
        self.failureResultOf(subscribing)
        self.assertEqual(len(self.hub), 0)

    def test_what_is_due_later_is_asked_for_then(self) -> None:
        self.store.opening.callback(Newer((), 12_000))
        waiting = self.next(self.successResultOf(self.subscribe()))
        self.store.due = 3000
        self.clock.advance(11.9)
        self.assertEqual(self.store.claims, [])
        self.clock.advance(0.1)
        self.assertEqual(len(self.store.claims), 1)
        self.clock.advance(2.9)
        self.assertNoResult(waiting)
        self.store.newer = (update(9),)
        self.clock.advance(0.1)
        self.assertEqual(self.successResultOf(waiting), (update(9),))

    def test_each_chunk_is_what_the_ones_before_it_lacked(self) -> None:
        second = self.next(self.sent())
        self.store.newer = (update(10, "22"),)
        self.hub.changed(SERIAL)
        self.assertEqual(self.successResultOf(second), self.store.newer)
        self.assertEqual(self.store.claims, [{KEY: 5}, {KEY: 9}])

    def test_the_answer_ends_after_a_quiet_while(self) -> None:
        second = self.next(self.sent())
        self.clock.advance(BATCH_WINDOW - 0.1)
        self.assertNoResult(second)
        self.clock.advance(0.2)
        self.assertEqual(self.successResultOf(second), ())

    def test_a_change_that_is_nothing_to_this_device_does_not_wake_it(self) -> None:
        waiting = self.next(self.held())
        self.hub.changed(SERIAL)
        self.clock.advance(HOLD - 1)
        self.assertNoResult(waiting)
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(waiting), ())

    def test_a_change_that_could_not_be_read_is_tried_again(self) -> None:
        waiting = self.next(self.held())
        self.store.newer = StoreUnavailable("away")
        self.hub.changed(SERIAL)
        self.clock.advance(RETRY)
        self.assertNoResult(waiting)
        self.store.newer = (update(9),)
        self.clock.advance(RETRY)
        self.assertEqual(self.successResultOf(waiting), (update(9),))

    def test_a_poll_that_cannot_read_still_ends(self) -> None:
        waiting = self.next(self.held())
        self.store.newer = StoreUnavailable("away")
        self.hub.changed(SERIAL)
        self.clock.pump([RETRY] * (HOLD // int(RETRY) + 1))
        self.assertEqual(self.successResultOf(waiting), ())

    def test_a_store_away_behind_a_chunk_ends_the_answer(self) -> None:
        second = self.next(self.sent())
        self.store.newer = StoreUnavailable("away")
        self.hub.changed(SERIAL)
        self.assertEqual(self.successResultOf(second), ())

    def test_and_so_does_one_that_is_slow(self) -> None:
        second = self.next(self.sent())
        self.store.slow = Deferred()
        self.hub.changed(SERIAL)
        self.clock.advance(BATCH_WINDOW)
        self.assertEqual(self.successResultOf(second), ())


class Notes(TransportTestCase):
    def test_only_of_what_was_written(self) -> None:
        poll = self.held()
        waiting = self.next(poll)
        self.store.newer = (update(9),)
        self.hub.changed(SERIAL)
        self.successResultOf(waiting)
        self.assertEqual(self.store.notes, [])
        poll.written((update(9),))
        self.assertEqual(self.store.notes, [((update(9),), 0)])

    def test_nothing_of_nothing(self) -> None:
        self.held().written(())
        self.assertEqual(self.store.notes, [])

    def away(self) -> None:
        """A push while the store goes away."""
        poll = self.held()
        self.store.newer = StoreUnavailable("away")
        poll.written((update(9),))
        self.assertEqual(self.store.notes, [])

    def test_once_the_store_is_back(self) -> None:
        """Before whatever the device does then, once."""
        self.away()
        self.store.newer = ()
        for _ in range(2):
            self.successResultOf(Deferred.fromCoroutine(self.transport.put(SERIAL, [])))
            self.assertEqual(self.store.notes, [((update(9),), 0)])

    def test_as_long_as_it_is_away(self) -> None:
        self.away()
        self.successResultOf(Deferred.fromCoroutine(self.transport.put(SERIAL, [])))
        self.store.newer = ()
        self.successResultOf(self.subscribe())
        self.assertEqual(self.store.notes, [((update(9),), 0)])

    def test_a_fault_is_logged_and_the_answer_goes_on(self) -> None:
        poll = self.held()
        self.store.newer = ZeroDivisionError()
        poll.written((update(9),))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Puts(TransportTestCase):
    def test_receipts_in_order_also_for_what_is_anothers(self) -> None:
        keys = [
            ObjectKey("shared", "02AA01AC00000009"),
            ObjectKey("shared", SERIAL),
            ObjectKey("device", "X" * 16),
        ]
        puts = [Put(key, None, None, {}) for key in keys]
        receipts = self.successResultOf(Deferred.fromCoroutine(self.transport.put(SERIAL, puts)))
        self.assertEqual([receipt.key for receipt in receipts], [str(key) for key in keys])
        self.assertEqual([receipt.timestamp for receipt in receipts], [0, 8, 0])
