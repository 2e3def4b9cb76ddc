"""Held polls on a clock of the test's own."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from nled.hub import BATCH, Hub, Ticket, Wake

SERIAL = "02AA01AC33140F61"


class HubTestCase(TestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.hub = Hub(self.clock, hold=290, most=3)

    def open(self, serial: str = SERIAL) -> Ticket:
        return self.hub.open(serial)


class Waking(HubTestCase):
    def test_a_change_fires_every_ticket_of_its_device(self) -> None:
        mine = [self.open(), self.open()]
        other = self.open("02AA01AC33140F62")
        waits = [ticket.wait() for ticket in mine]
        theirs = other.wait()
        self.hub.changed(SERIAL)
        self.assertEqual([self.successResultOf(wait) for wait in waits], [Wake.CHANGED] * 2)
        self.assertNoResult(theirs)

    def test_a_change_before_the_wait_is_not_lost(self) -> None:
        ticket = self.open()
        self.hub.changed(SERIAL)
        self.hub.changed(SERIAL)
        self.assertEqual(self.successResultOf(ticket.wait()), Wake.CHANGED)
        self.assertNoResult(ticket.wait())

    def test_nor_is_one_that_the_end_came_after(self) -> None:
        ticket = self.open()
        self.hub.changed(SERIAL)
        self.clock.advance(290)
        self.assertEqual(self.successResultOf(ticket.wait()), Wake.CHANGED)
        self.assertEqual(self.successResultOf(ticket.wait()), Wake.DEADLINE)

    def test_a_short_wait(self) -> None:
        ticket = self.open()
        wait = ticket.wait(3)
        self.clock.advance(2.9)
        self.assertNoResult(wait)
        self.clock.advance(0.2)
        self.assertEqual(self.successResultOf(wait), Wake.QUIET)

    def test_a_short_wait_that_is_fired_leaves_no_timer(self) -> None:
        ticket = self.open()
        ticket.wait(3)
        self.hub.changed(SERIAL)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1, "that of the hold")

    def test_a_waiter_that_went_away(self) -> None:
        ticket = self.open()
        wait = ticket.wait()
        wait.cancel()
        self.failureResultOf(wait)
        ticket.close()
        self.hub.changed(SERIAL)
        self.assertEqual(len(self.hub), 0)


class Holding(HubTestCase):
    def test_each_hold_ends_at_its_own_time(self) -> None:
        first = self.open().wait()
        self.clock.advance(100)
        second = self.open().wait()
        self.clock.advance(190)
        self.assertEqual(self.successResultOf(first), Wake.DEADLINE)
        self.assertNoResult(second)
        self.clock.advance(100)
        self.assertEqual(self.successResultOf(second), Wake.DEADLINE)

    def test_one_timer_for_all_and_none_for_nobody(self) -> None:
        tickets = [self.open(f"02AA01AC{n:08}") for n in range(50)]
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        for ticket in tickets:
            ticket.close()
            ticket.close()
        self.assertEqual(len(self.hub), 0)
        self.clock.advance(290)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many_that_end_together_all_end(self) -> None:
        waits = [self.open(f"02AA01AC{n:08}").wait() for n in range(2 * BATCH + 1)]
        self.clock.advance(290)
        self.assertEqual({self.successResultOf(wait) for wait in waits}, {Wake.DEADLINE})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_poll_too_many_ends_the_oldest(self) -> None:
        waits = [self.open().wait() for _ in range(4)]
        self.assertEqual(self.successResultOf(waits[0]), Wake.ENDED)
        self.hub.changed(SERIAL)
        self.assertEqual([self.successResultOf(wait) for wait in waits[1:]], [Wake.CHANGED] * 3)


class Several(HubTestCase):
    def test_those_alone_at_once(self) -> None:
        waits = [self.open(serial).wait() for serial in ("A", "A", "B", "C")]
        acting = Deferred.fromCoroutine(self.hub.change_each(["A", "C", "D"]))
        self.assertEqual([wait.called for wait in waits], [True, True, False, True])
        self.clock.advance(0)
        self.successResultOf(acting)


class Everybody(HubTestCase):
    def test_in_batches(self) -> None:
        for act, wake in ((self.hub.change_all, Wake.CHANGED), (self.hub.drain, Wake.ENDED)):
            tickets = [self.open(f"02AA01AC{n:08}") for n in range(2 * BATCH + 1)]
            waits = [ticket.wait() for ticket in tickets]
            acting = Deferred.fromCoroutine(act())
            self.assertEqual(sum(wait.called for wait in waits), BATCH)
            self.clock.pump([0, 0, 0])
            self.successResultOf(acting)
            self.assertEqual({self.successResultOf(wait) for wait in waits}, {wake})
            for ticket in tickets:
                ticket.close()
        self.assertEqual(self.clock.getDelayedCalls(), [], "after a drain")
