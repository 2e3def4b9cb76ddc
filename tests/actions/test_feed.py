from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from nled.actions.feed import ROOM, Feed
from nled.domain.notice import GAP, Notice

SERIAL = "02AA01AC33140F61"
OTHER = "02AA01AC33140F62"


def notice(number: int = 1, serial: str = SERIAL) -> Notice:
    return Notice(serial, f"shared.{serial}", number, number, "device", f"{number}-0")


class FeedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.feed = Feed(self.clock)

    def test_who_waits_is_told_and_leaves_no_timer(self) -> None:
        listener = self.feed.open()
        told = listener.next(20)
        self.assertNoResult(told)
        self.feed.publish(notice())
        self.assertEqual(self.successResultOf(told), notice())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_came_before_the_wait_is_kept_in_order(self) -> None:
        listener = self.feed.open()
        for number in (1, 2):
            self.feed.publish(notice(number))
        self.assertEqual([self.successResultOf(listener.next(20)).revision for _ in range(2)], [1, 2])
        self.assertNoResult(listener.next(20))

    def test_nothing_in_time(self) -> None:
        listener = self.feed.open()
        told = listener.next(20)
        self.clock.advance(20)
        self.assertIsNone(self.successResultOf(told))
        self.assertFalse(listener.over)

    def test_only_the_devices_asked_for_and_what_concerns_all(self) -> None:
        listener = self.feed.open({SERIAL})
        self.feed.publish(notice(1, OTHER))
        self.feed.missed()
        self.feed.publish(notice(2))
        self.assertIs(self.successResultOf(listener.next(20)), GAP)
        self.assertEqual(self.successResultOf(listener.next(20)), notice(2))

    def test_a_home_concerns_who_asked_for_one_of_its_devices(self) -> None:
        mine, theirs = self.feed.open({SERIAL}), self.feed.open({OTHER})
        home = Notice("", "structure.S1", 1, 1, "server", "1-0", home="anna", members=(SERIAL,))
        self.feed.publish(home)
        self.assertEqual(self.successResultOf(mine.next(20)), home)
        self.assertNoResult(theirs.next(20))

    def test_one_that_does_not_keep_up(self) -> None:
        slow, quick = self.feed.open(), self.feed.open()
        for number in range(ROOM + 1):
            self.feed.publish(notice(number))
            self.assertEqual(self.successResultOf(quick.next(20)), notice(number))
        self.feed.publish(notice(9999))
        self.assertIs(self.successResultOf(slow.next(20)), GAP)
        self.assertEqual(self.successResultOf(slow.next(20)), notice(9999))
        self.assertNoResult(slow.next(20))

    def test_one_that_has_closed(self) -> None:
        listener = self.feed.open()
        listener.close()
        listener.close()
        self.feed.publish(notice())
        self.assertEqual(len(self.feed), 0)
        self.assertNoResult(listener.next(20))

    def test_one_that_has_gone_leaves_no_timer(self) -> None:
        listener = self.feed.open()
        waiting = listener.next(20)
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.feed.publish(notice())
        self.assertEqual(self.successResultOf(listener.next(20)), notice())

    def test_the_daemon_stops(self) -> None:
        waiting, idle = self.feed.open(), self.feed.open()
        told = waiting.next(20)
        self.successResultOf(self.feed.stop())
        self.assertIsNone(self.successResultOf(told))
        self.assertIsNone(self.successResultOf(idle.next(20)))
        self.assertTrue(waiting.over and idle.over)
        self.assertIsNone(self.successResultOf(self.feed.open().next(20)))
        self.assertEqual(self.clock.getDelayedCalls(), [])
